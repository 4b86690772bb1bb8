import datetime

import pytest

from tracekd import dates, facts


def ordinal(*day):
    return datetime.date(*day).toordinal()


@pytest.mark.parametrize(
    ("text", "first", "last", "precision", "order"),
    [
        ("2019", (2019, 1, 1), (2019, 12, 31), "year", 20190000),
        ("March, 2019", (2019, 3, 1), (2019, 3, 31), "month", 20190300),
        ("February, 2020", (2020, 2, 1), (2020, 2, 29), "month", 20200200),  # a leap year
        ("December, 1999", (1999, 12, 1), (1999, 12, 31), "month", 19991200),
        ("March 11, 2019", (2019, 3, 11), (2019, 3, 11), "day", 20190311),
    ],
)
def test_a_date_is_the_span_of_days_it_may_mean(text, first, last, precision, order):
    assert dates.read_date(text) == dates.Day(ordinal(*first), ordinal(*last), precision, order, text)


@pytest.mark.parametrize("text", ["Smarch, 2019", "February 30, 2019", "soon", ""])
def test_a_date_that_is_none_is_refused_by_name(text):
    with pytest.raises(ValueError, match=f"date {text!r}"):
        dates.read_date(text)


@pytest.mark.parametrize("phrase", facts.PHRASES)
@pytest.mark.parametrize("tail", ["", " in 2001", " from May, 2001 to June 3, 2004"])
def test_every_relation_phrase_in_both_tenses(phrase, tail):
    read = facts.parse(f"Ada Lund {phrase} North Mill in Oslo{tail}.")
    assert (read.subject, read.relation, read.object) == ("Ada Lund", facts.PHRASES[phrase], "North Mill in Oslo")
    assert (read.start is None) == (tail == "")
    assert read.point == tail.startswith(" in")


def test_the_article_after_a_member_of_is_no_part_of_the_name():
    assert facts.parse("Ada Lund is a member of the Blue Party in 2001.").object == "Blue Party"
    assert facts.parse("Ada Lund works for the Blue Mill in 2001.").object == "the Blue Mill"


def test_a_sentence_without_a_relation_is_refused():
    with pytest.raises(ValueError, match="none of the relation phrases"):
        facts.parse("Ada Lund likes tea.")


def test_evidence_compares_whole_slots():
    context = ["A works for Mill in 2001.", "A works for Mill House in 2001.", "B works for mill in 2002."]
    assert facts.answer_evidence(context, ["Mill"], "S1_R1_O2") == (0, 2)
    assert facts.answer_evidence(context, ["A"], "S2_R1_O1") == (0, 1)
    with pytest.raises(ValueError, match="S9"):
        facts.answer_slot(context[0], "S9")


def test_every_real_fact_parses_and_every_gold_answer_has_its_fact(shared_data):
    from tracekd.records import read_jsonl

    rows = [row for path in sorted((shared_data / "cotempqa").iterdir()) for row in read_jsonl(path)]
    assert len(rows) == 436 + 653 + 360 + 336 + 950
    for row in rows:
        found = facts.answer_evidence(row["facts"], row["answer"], row["triple_element"])
        slots = {facts.answer_slot(row["facts"][i], row["triple_element"]) for i in found}
        assert slots == set(row["answer"])
