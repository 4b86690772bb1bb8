"""CoTempQA's facts and dates: read, or a time that is not read, never part of a name."""

import pytest

from tracekd.data import load_cotempqa as facts
from tracekd.data.problem import Problem
from tracekd.decompose.agreement import KINDS, compare
from tracekd.decompose.derive_cotempqa import UNREAD, derive


@pytest.mark.parametrize(
    "time", ["from 5/6/1999 to 7/8/2001", "in 05.05.1999", "in the 1990s", "since 5 May 1999", "between 1999 and 2001",
             "from Smarch, 2019 to 2020", "in February 30, 2019", "in 0000"],
)  # fmt: skip
def test_what_is_not_read_is_kept_apart_from_the_name_and_is_our_limit(time):
    fact = facts.parse(f"Ada Lund works for Mill in Oslo {time}.")
    assert (fact.object, fact.unread, fact.span) == ("Mill in Oslo", time, None)
    context = ("Ada Lund works for Acme from 1999 to 2001.", f"Ada Lund works for Mill {time}.")
    question = "While Ada Lund was working for Acme, which employer did Ada Lund work for at the same time?"
    got = derive(context, question)
    assert got.underivable.startswith(UNREAD) and time in got.underivable and got.answers == ()
    meta = {"triple_element": "S1_R1_O2"}
    found = compare(Problem("x", "cotempqa", "equal", context, question, ("Mill",), (1,), "test", meta))
    assert KINDS[found["kind"]] == "limit" and time in found["reason"]


def test_two_spellings_of_an_apostrophe_are_one_name():
    context = ("Sinéad O\u2019Hara works for Mill in 2001.", "Sinéad O'Hara works for Acme in 2001.")
    question = "While Sinéad O'Hara was working for Mill, which employer did Sinéad O\u2019Hara work for?"
    assert derive(context, question).answers == ("Acme",)
    assert facts.answer_evidence(("A works for O\u2019Hara in 2001.",), ("O'Hara",), "S1_R1_O2") == (0,)


def test_dates_are_compared_by_what_is_stated():
    texts = ["2019", "February, 2020", "December, 1999", "March 11, 2019", "February 29, 2020"]
    assert list(map(facts.read_date, texts)) == [20190000, 20200200, 19991200, 20190311, 20200229]


@pytest.mark.parametrize("phrase", facts.PHRASES)
@pytest.mark.parametrize("tail", ["", " in 2001", " from May, 2001 to June 3, 2004"])
def test_every_relation_phrase_in_both_tenses(phrase, tail):
    read = facts.parse(f"Ada Lund {phrase} North Mill in Oslo{tail}.")
    assert (read.subject, read.relation, read.object) == ("Ada Lund", facts.PHRASES[phrase], "North Mill in Oslo")
    assert (read.span is None) == (tail == "") and read.point == tail.startswith(" in")


@pytest.mark.parametrize("name", ["Party (Japan, 2016)", "Studio 54", "Team 1999", "Mill in Oslo", "Robert  College"])
def test_names_with_numbers_stay_names_and_an_article_is_no_part_of_a_members(name):
    assert facts.parse(f"Ada is a member of the {name} in March 11, 2019.").object == name
    assert facts.parse(f"Ada works for the {name}.").object == f"the {name}"
    with pytest.raises(ValueError, match=name[:4]):
        facts.parse(f"Ada likes {name}.")


def test_evidence_compares_whole_slots():
    context = ["A works for Mill in 2001.", "A works for Mill House in 2001.", "B works for mill in 2002."]
    assert facts.answer_evidence(context, ["Mill"], "S1_R1_O2") == (0, 2)
    assert facts.answer_evidence(context, ["A"], "S2_R1_O1") == (0, 1)
    with pytest.raises(ValueError, match="S9"):
        facts.answer_slot(context[0], "S9")
