"""Invented organisations and offices for generated CoTempQA facts; all combined from word lists."""

from __future__ import annotations

import numpy as np

from tracekd.generated_draws import FIRST_NAMES, land, last_name, person, pick, town

_PORTFOLIOS = (
    "Agriculture",
    "Trade and Industry",
    "Education",
    "Foreign Affairs",
    "Health",
    "Housing and Planning",
    "Internal Affairs",
    "Justice",
    "Labour",
    "Maritime Affairs",
    "Public Works",
    "Research and Technology",
    "the Environment",
    "the Interior",
    "Transport",
    "Youth and Sport",
)
_OFFICES = (
    "Minister for {p} of {l}",
    "Minister of {p} of {l}",
    "Under-Secretary of State for {p} of {l}",
    "Shadow Minister for {p}",
    "Deputy Minister of {p}",
    "Permanent Secretary for {p}",
    "mayor of {t}",
    "Lord Lieutenant of {t}",
    "member of the {t} City Council",
    "Member of Parliament for {t}",
    "Speaker of the {t} Assembly",
    "Prime Minister of {l}",
    "President of {l}",
    "Attorney General of {l}",
    "Governor of {t}",
    "Ambassador of {l} to {l2}",
    "High Commissioner to {l}",
    "Chief Justice of {l}",
    "Treasurer of {t}",
    "bishop of {t}",
    "auxiliary bishop of {t}",
    "dean of {t} Cathedral",
    "Professor of Mathematics at {t}",
    "Director of the {t} Observatory",
)
_SCHOOLS = (
    "University of {t}",
    "{t} University",
    "{t} College",
    "{t} Institute of Technology",
    "{t} Grammar School",
    "Royal Academy of {t}",
    "{t} School of Economics",
    "{n} College",
    "{t} Polytechnic",
    "St. {f}'s School",
    "{t} State University",
)
_EMPLOYERS = (
    "University of {t}",
    "{t} Institute for Advanced Study",
    "{n} & {n2}",
    "{n} Laboratories",
    "{t} Steel Works",
    "{t} General Hospital",
    "Bank of {t}",
    "{t} Herald",
    "{l} Broadcasting Corporation",
    "National Museum of {l}",
    "{n} Motor Company",
    "{t} Observatory",
    "{n} Shipbuilding",
    "{t} Opera",
    "{t} Research Centre",
    "{n}, {n2} and Partners",
)
_PARTIES = (
    "{t} People's Party",
    "Social Democratic Party of {l}",
    "{l} Labour Party",
    "Liberal Union of {l}",
    "{l} National Congress",
    "Christian Democratic Union of {t}",
    "Green Alliance of {l}",
    "{t} Reform Movement",
    "Farmers' League of {t}",
    "Conservative Party of {l}",
    "{t} Workers' Front",
    "Radical Party of {t}",
    "Centre Party of {l}",
    "Independence Party of {t}",
)
_TEAMS = (
    "{t} Rovers",
    "{t} United",
    "{t} Wanderers",
    "{t} Athletic Club",
    "F.C. {t}",
    "{t} Falcons",
    "{t} City",
    "{l} national football team",
    "{t} Ice Hockey Club",
)
_BODIES = (
    "{t} Arts Council",
    "Royal Society of {l}",
    "{l} Chess Federation",
    "{t} Harbour Board",
    "{l} Academy of Sciences",
    "{t} Chamber of Commerce",
)
_ASSETS = (
    "{t} Castle",
    "{t} Railway",
    "{t} Gazette",
    "{n} Hall",
    "Radio {t}",
    "{t} Brewery",
    "Villa {n}",
    "{t} Line",
    "{n} Press",
)
_OWNERS = ("{n} Group", "{n} Holdings", "{t} County Council", "{n} & Sons", "{l} State Railways", "{n} Media")

_FORMS = {
    "position": _OFFICES,
    "school": _SCHOOLS,
    "employer": _EMPLOYERS,
    "member": _PARTIES,
    "team": _TEAMS,
    "chair": _BODIES,
    "head": _BODIES,
    "owner": _OWNERS,
}


def object_of(rng: np.random.Generator, relation: str) -> str:
    """One name that can stand as the object of a relation (``position``, ``school``, ``employer``, ...)."""
    return _filled(rng, pick(rng, _FORMS[relation]))


def subject_of(rng: np.random.Generator, relation: str) -> str:
    """One name that can stand as the subject: a thing that is owned, else a person."""
    return _filled(rng, pick(rng, _ASSETS)) if relation == "owner" else person(rng)


def _filled(rng: np.random.Generator, form: str) -> str:
    return form.format_map(_Slots(rng))


class _Slots(dict):
    """Draws a word only for the slots that a form has."""

    _MAKERS = {  # noqa: RUF012
        "t": town,
        "l": land,
        "l2": land,
        "n": last_name,
        "n2": last_name,
        "p": lambda rng: pick(rng, _PORTFOLIOS),
        "f": lambda rng: pick(rng, FIRST_NAMES),
    }

    def __init__(self, rng: np.random.Generator):
        super().__init__()
        self._rng = rng

    def __missing__(self, slot: str) -> str:
        return self._MAKERS[slot](self._rng)
