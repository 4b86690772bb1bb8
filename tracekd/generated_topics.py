"""Invented topics for generated MS MARCO problems: what can be said and asked of towns, rivers, firms, ...

A topic kind has a name maker, attributes and filler sentences. In the texts ``{e}`` is the topic's name, ``{v}`` the
planted value and ``{w}`` a town drawn for the sentence alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tracekd.generated_draws import FIRST_NAMES, between, land, last_name, person, pick, town


@dataclass(frozen=True)
class Attribute:
    """One thing that can be asked of a topic.

    Attributes:
        query_type: MS MARCO's label of the question.
        questions, sentences, answers: wordings; each sentence holds the value and the topic's name.
        value: draws the value.
    """

    query_type: str
    questions: tuple[str, ...]
    sentences: tuple[str, ...]
    answers: tuple[str, ...]
    value: Callable


@dataclass(frozen=True)
class Topic:
    """A kind of topic: its name maker, its attributes and sentences that answer nothing."""

    name: Callable
    attributes: tuple[Attribute, ...]
    fillers: tuple[str, ...]


def _of(*items: str) -> Callable:
    return lambda rng: pick(rng, items)


def _number(low: int, high: int, unit: str = "") -> Callable:
    return lambda rng: f"{between(rng, low, high):,}{unit}"


def _year(rng) -> str:
    return str(between(rng, 1790, 2012))


def _joined(form: str, **parts: tuple[str, ...]) -> Callable:
    return lambda rng: form.format(**{key: pick(rng, items) for key, items in parts.items()})


_STARTS = ("Cal", "Dor", "Fen", "Gal", "Hex", "Lum", "Mor", "Nar", "Ost", "Pel", "Quin", "Sar", "Tel", "Vor", "Zan")
_MIDDLES = ("a", "adi", "ami", "eri", "ethi", "i", "ino", "o", "ori", "uli", "uvi", "yra")
_ENDS = ("dite", "line", "mine", "nite", "phane", "rite", "sol", "stine", "thene", "tol", "vane", "xite")
_GOODS = ("paper", "glass", "woollen cloth", "bicycles", "clocks", "cheese", "rope", "tiles", "copper wire", "biscuits")
_CAUSE = (
    "heavy rain",
    "late frost",
    "strong winds",
    "warm summers",
    "dry winters",
    "salt in the soil",
    "poor drainage",
)
_FISH = ("silver trout", "pike", "barbel", "grayling", "eel", "perch", "river salmon", "bream")
_FLOWERS = ("marsh marigold", "blue gentian", "wood anemone", "sea lavender", "bog myrtle", "red campion", "cowslip")
_METALS = ("zinc", "potassium", "magnesium", "iron", "calcium", "copper", "iodine", "selenium")

TOWN = Topic(
    town,
    (
        Attribute(
            "NUMERIC",
            ("what is the population of {e}", "how many people live in {e}", "population of {e}"),
            (
                "At the last census {e} had a population of {v}, slightly more than ten years before.",
                "The population of {e} was {v} when residents were last counted.",
            ),
            ("{v}", "The population of {e} is {v}."),
            _number(900, 98000),
        ),
        Attribute(
            "NUMERIC",
            ("what is the elevation of {e}", "how high is {e} above sea level"),
            (
                "{e} lies at an elevation of {v} above sea level, on the edge of the uplands.",
                "The market square of {e} stands {v} above sea level.",
            ),
            ("{v}", "{e} is {v} above sea level."),
            _number(12, 6200, " feet"),
        ),
        Attribute(
            "LOCATION",
            ("what county is {e} in", "where is {e} located", "{e} is in what county"),
            (
                "{e} is a market town in {v}, about an hour by train from the coast.",
                "The town of {e} is located in {v}, close to the old border road.",
            ),
            ("{v}", "{e} is in {v}."),
            lambda rng: f"{last_name(rng)} County, {land(rng)}",
        ),
        Attribute(
            "PERSON",
            ("who founded {e}", "who is the founder of {e}"),
            (
                "{e} was founded by the surveyor {v}, who laid out its first streets.",
                "The settlement that became {e} was founded by {v} after a long winter journey.",
            ),
            ("{v}", "{e} was founded by {v}."),
            person,
        ),
        Attribute(
            "ENTITY",
            ("what is the official flower of {e}", "town flower of {e}"),
            (
                "The official flower of {e} is the {v}, which grows along the canal.",
                "Since the jubilee year the {v} has been the official flower of {e}.",
            ),
            ("{v}", "The official flower of {e} is the {v}."),
            _of(*_FLOWERS),
        ),
        Attribute(
            "DESCRIPTION",
            ("what is {e} known for", "why is {e} famous", "what is {e} famous for"),
            (
                "{e} is best known for {v}, which draws visitors from the whole region.",
                "Among travellers {e} is known for {v}.",
            ),
            ("{e} is known for {v}.", "It is known for {v}."),
            _joined(
                "its {a} {b} and a {c} held every {d}",
                a=("medieval", "covered", "restored", "floating", "hillside"),
                b=("market", "library", "harbour", "clock tower", "mills"),
                c=("kite festival", "lantern parade", "sheep fair", "choir contest", "boat race"),
                d=("spring", "summer", "autumn", "winter", "second year"),
            ),
        ),
        Attribute(
            "DESCRIPTION",
            ("why did {e} flood", "what causes floods in {e}", "why does {e} flood every year"),
            (
                "Floods in {e} are caused by {v}, according to the county engineer.",
                "The lower streets of {e} flood because of {v}, a report found.",
            ),
            ("Floods in {e} are caused by {v}.", "Because of {v}."),
            _joined(
                "{a} together with {b}",
                a=_CAUSE,
                b=("a narrow bridge", "blocked culverts", "a high tide", "old drains"),
            ),
        ),
    ),
    (
        "Visitors to {e} usually arrive by the morning train and walk to the old town in a few minutes.",
        "Hotel prices in {e} vary with the season, and rooms near the square should be booked in advance.",
        "The weather in {e} is mild for most of the year, with the wettest days in November.",
        "The {w} School in {e} opened its new building to pupils last September.",
        "A weekly newspaper, the {w} Courier, reports on events in {e} and on its council meetings.",
        "Bus tickets in {e} can be bought from the driver or at the station kiosk.",
        "Road works on the {w} Road near {e} are expected to last until the end of the month.",
        "Several small museums in {e} show tools, costumes and photographs from earlier times.",
    ),
)
RIVER = Topic(
    lambda rng: f"{town(rng)} River",
    (
        Attribute(
            "NUMERIC",
            ("how long is the {e}", "what is the length of the {e}", "{e} length"),
            (
                "The {e} is {v} long from its spring to its mouth.",
                "With a length of {v}, the {e} is among the longer streams here.",
            ),
            ("{v}", "The {e} is {v} long."),
            _number(38, 940, " miles"),
        ),
        Attribute(
            "NUMERIC",
            ("how deep is the {e}", "what is the maximum depth of the {e}"),
            (
                "Near the old ferry the {e} reaches a maximum depth of {v}.",
                "Divers measured the {e} at {v} at its deepest point.",
            ),
            ("{v}", "The {e} is {v} deep at its deepest point."),
            _number(9, 140, " feet"),
        ),
        Attribute(
            "LOCATION",
            ("where does the {e} start", "where is the source of the {e}"),
            (
                "The {e} rises in {v} and soon turns towards the plain.",
                "The source of the {e} lies in {v}, marked by a small stone.",
            ),
            ("{v}", "The {e} starts in {v}."),
            lambda rng: f"the {town(rng)} Hills",
        ),
        Attribute(
            "PERSON",
            ("who discovered the {e}", "who was the first to map the {e}"),
            (
                "The {e} was first mapped by {v}, who followed it on foot.",
                "{v} was the first to discover and map the course of the {e}.",
            ),
            ("{v}", "It was {v} who first mapped the {e}."),
            person,
        ),
        Attribute(
            "ENTITY",
            ("what is the most common fish in the {e}", "what fish live in the {e}"),
            (
                "The most common fish in the {e} is the {v}, which anglers prize.",
                "In the {e} the {v} is by far the most common fish.",
            ),
            ("{v}", "The most common fish in the {e} is the {v}."),
            _of(*_FISH),
        ),
        Attribute(
            "DESCRIPTION",
            ("why is the {e} brown", "what gives the {e} its color", "why does the {e} change color"),
            ("The {e} owes its colour to {v}, as tests of the water showed.", "The colour of the {e} comes from {v}."),
            ("The colour of the {e} comes from {v}.", "It comes from {v}."),
            _joined(
                "{a} that {b} carries down from {c}",
                a=("fine clay", "peat", "red sand", "dissolved iron", "green algae"),
                b=("melting snow", "summer rain", "a hidden spring", "each spring flood"),
                c=("the upland bogs", "the old mines", "the pine forests", "the chalk hills"),
            ),
        ),
        Attribute(
            "DESCRIPTION",
            ("what is the {e} used for", "how is the {e} used today"),
            ("Today the {e} is used for {v}.", "The {e} is mainly used for {v}, a survey of its users says."),
            ("The {e} is used for {v}.", "It is used for {v}."),
            _joined(
                "{a}, {b} and {c}",
                a=("canoeing", "watering orchards", "moving timber", "small ferries"),
                b=("drinking water", "angling", "cooling a paper mill", "teaching sailing"),
                c=("generating power", "rowing races", "growing watercress", "bird watching"),
            ),
        ),
    ),
    (
        "Footpaths follow both banks of the {e}, and benches are set up at the finest views.",
        "Boats on the {e} must carry a licence, which the harbour office in {w} issues.",
        "The bridge at {w} is the oldest that still crosses the {e}.",
        "Water in the {e} is tested every month, and the results are put up at the town halls.",
        "A school class from {w} writes a diary about the {e} and its birds.",
        "Campers along the {e} are asked to take their rubbish home and to light no fires.",
        "In dry summers the {e} shrinks to a chain of pools below {w}.",
        "The towns along the {e} hold a common festival with music on the water.",
    ),
)
FIRM = Topic(
    lambda rng: (
        f"{last_name(rng)} {pick(rng, ('Industries', 'Brothers', 'Foods', 'Electric', 'Instruments', 'Textiles', 'Motors'))}"
    ),
    (
        Attribute(
            "NUMERIC",
            ("when was {e} founded", "what year was {e} established", "{e} founding year"),
            ("{e} was founded in {v} in a rented workshop.", "Established in {v}, {e} began with four employees."),
            ("{v}", "{e} was founded in {v}."),
            _year,
        ),
        Attribute(
            "NUMERIC",
            ("how many employees does {e} have", "how many people work for {e}"),
            ("{e} has {v} employees at its plants and offices.", "In its latest report {e} counts {v} employees."),
            ("{v}", "{e} has {v} employees."),
            _number(40, 48000),
        ),
        Attribute(
            "LOCATION",
            ("where is the headquarters of {e}", "where is {e} based", "{e} headquarters"),
            (
                "The headquarters of {e} are in {v}, beside the freight station.",
                "{e} is based in {v} and leases its offices there.",
            ),
            ("{v}", "{e} is based in {v}."),
            lambda rng: f"{town(rng)}, {land(rng)}",
        ),
        Attribute(
            "PERSON",
            ("who is the ceo of {e}", "who runs {e}", "who is the president of {e}"),
            (
                "{v} is the chief executive of {e} and reports to its board.",
                "{e} has been run by its president and CEO, {v}, for some years.",
            ),
            ("{v}", "{v} runs {e}."),
            person,
        ),
        Attribute(
            "ENTITY",
            ("what product is {e} best known for making", "what does {e} make"),
            (
                "{e} is best known for making {v}, sold in more than twenty countries.",
                "The main product of {e} is {v}.",
            ),
            ("{v}", "{e} makes {v}."),
            _of(*_GOODS),
        ),
        Attribute(
            "DESCRIPTION",
            ("what does {e} do", "what is {e}", "what kind of company is {e}"),
            ("{e} is a company that {v}.", "In short, {e} {v}, its brochure explains."),
            ("{e} is a company that {v}.", "It {v}."),
            _joined(
                "{a} {b} for {c}",
                a=("designs and builds", "rents out", "repairs", "tests and certifies", "imports"),
                b=("pumps", "measuring devices", "packing machines", "solar panels", "lifts", "weaving looms"),
                c=("small farms", "hospitals", "dairy plants", "railway operators", "schools and libraries"),
            ),
        ),
        Attribute(
            "DESCRIPTION",
            ("why did {e} close its plant", "what happened to {e}", "why did {e} lay off workers"),
            ("{e} closed its oldest plant because {v}.", "The plant of {e} was shut since {v}, the board said."),
            ("{e} closed a plant because {v}.", "Because {v}."),
            _joined(
                "{a} and {b}",
                a=(
                    "energy prices had doubled",
                    "orders had fallen for three years",
                    "the roof was unsafe",
                    "the lease had ended",
                ),
                b=(
                    "no buyer was found",
                    "repairs were too costly",
                    "a newer site had room",
                    "skilled staff were scarce",
                ),
            ),
        ),
    ),
    (
        "Customers of {e} can reach its service desk by telephone on working days from eight to six.",
        "Shares of {e} were little changed after the yearly meeting of its owners.",
        "{e} offers apprenticeships, and applications are open until the end of August.",
        "The yearly report of {e} can be ordered free of charge from its press office.",
        "A new warehouse of {e} near {w} is to open once the road has been widened.",
        "Reviews of {e} praise its quick deliveries and criticise its long forms.",
        "{e} sponsors a youth orchestra in {w} and a running event each spring.",
        "Suppliers of {e} are asked to register on its portal before they send an offer.",
    ),
)
SUBSTANCE = Topic(
    lambda rng: f"{pick(rng, _STARTS)}{pick(rng, _MIDDLES)}{pick(rng, _ENDS)}",
    (
        Attribute(
            "NUMERIC",
            ("how much does {e} cost", "what is the price of {e}", "cost of {e}"),
            ("A pound of {e} costs {v} on average.", "The average price of {e} is {v} a pound, traders say."),
            ("{v}", "On average {e} costs {v} a pound."),
            lambda rng: f"${between(rng, 2, 180)}.{between(rng, 10, 99)}",
        ),
        Attribute(
            "NUMERIC",
            ("at what temperature does {e} melt", "what is the melting point of {e}"),
            ("{e} melts at {v}, which is lower than most mixtures of its kind.", "The melting point of {e} is {v}."),
            ("{v}", "{e} melts at {v}."),
            _number(90, 1900, " degrees Fahrenheit"),
        ),
        Attribute(
            "NUMERIC",
            ("how long does {e} last", "what is the shelf life of {e}", "how long can you store {e}"),
            ("Stored in a cool place, {e} lasts {v}.", "The shelf life of {e} is {v} if the jar is kept closed."),
            ("{v}", "{e} lasts {v}."),
            _number(3, 48, " months"),
        ),
        Attribute(
            "LOCATION",
            ("where is {e} found", "where does {e} come from"),
            ("{e} is found in {v}, where it is dug in small open pits.", "Most {e} comes from {v}."),
            ("{v}", "{e} comes from {v}."),
            lambda rng: f"the {town(rng)} region of {land(rng)}",
        ),
        Attribute(
            "PERSON",
            ("who discovered {e}", "who invented {e}"),
            (
                "{e} was discovered by the chemist {v} while cleaning old vats.",
                "The chemist {v} is credited with having discovered {e}.",
            ),
            ("{v}", "{e} was discovered by {v}."),
            lambda rng: f"{pick(rng, FIRST_NAMES)} {last_name(rng)}",
        ),
        Attribute(
            "ENTITY",
            ("what mineral is in {e}", "which mineral does {e} contain"),
            ("The mineral that {e} contains most of is {v}.", "Tests show that {e} is rich in one mineral, {v}."),
            ("{v}", "{e} contains {v}."),
            _of(*_METALS),
        ),
        Attribute(
            "DESCRIPTION",
            ("what is {e}", "{e} definition", "define {e}", "what does {e} mean"),
            ("{e} is {v}.", "By definition, {e} is {v}, often sold as a powder."),
            ("{e} is {v}.", "It is {v}."),
            _joined(
                "a {a} {b} that is used to {c}",
                a=("pale", "soft", "dark green", "glassy", "fibrous", "sticky"),
                b=("mineral", "resin", "plant extract", "clay", "wax", "alloy"),
                c=("seal wooden boats", "dye wool", "thicken soups", "polish lenses", "line ovens", "treat dry skin"),
            ),
        ),
        Attribute(
            "DESCRIPTION",
            ("how is {e} made", "how do you make {e}", "how to make {e} at home"),
            ("To make {e}, {v}.", "The usual way to make {e} is simple: {v}."),
            ("To make {e}, {v}.", "You {v}."),
            _joined(
                "{a}, then {b} and leave it to {c}",
                a=(
                    "crush the raw lumps",
                    "soak the roots overnight",
                    "mix equal parts of ash and oil",
                    "boil the bark twice",
                ),
                b=("strain the liquid", "add a spoon of salt", "stir in cold water", "press it through cloth"),
                c=("dry for a week", "cool slowly", "settle in a dark jar", "harden in the sun"),
            ),
        ),
        Attribute(
            "DESCRIPTION",
            ("what are the side effects of {e}", "is {e} safe", "why is {e} dangerous"),
            ("{e} can cause {v}, so gloves are advised.", "People who handle {e} daily report {v}."),
            ("{e} can cause {v}.", "It can cause {v}."),
            _joined(
                "{a} and {b}",
                a=("a mild rash", "headaches", "a dry cough", "watery eyes", "stained fingers"),
                b=("loss of appetite", "tiredness", "itching at night", "a metallic taste", "sneezing"),
            ),
        ),
    ),
    (
        "Shops that sell {e} keep it behind the counter and weigh it out on request.",
        "Books on crafts from {w} mention {e} only in passing and give no recipe.",
        "Collectors trade samples of {e} at fairs, where labels and origin decide the value.",
        "Schools may show {e} in class as long as the windows stay open.",
        "The word {e} appears in letters of travellers and in a few old price lists.",
        "A club of hobby makers in {w} meets every month to talk about {e} and similar things.",
        "Questions about {e} are among the most frequent at the counter of the {w} museum.",
        "Packages of {e} must carry a label with the name of the maker and the date.",
    ),
)
TOPICS = {"town": TOWN, "river": RIVER, "firm": FIRM, "substance": SUBSTANCE}
