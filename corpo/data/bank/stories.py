"""Math word problems with worked solutions. Every number is between 1 and 99."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from corpo.data.bank.base import MathFamily, Step


def _route(*steps: tuple[str, str, str]) -> tuple[Step, ...]:
    return tuple(Step(*step) for step in steps)


def _draw(
    accept: Callable[[dict[str, int]], bool], **ranges: tuple[int, int]
) -> Callable[[Random], dict[str, int]]:
    """Return a function that draws values from inclusive ranges until `accept` holds."""

    def draw(rng: Random) -> dict[str, int]:
        while True:
            values = {name: rng.randint(*bounds) for name, bounds in ranges.items()}
            if accept(values):
                return values

    return draw


def _always(values: dict[str, int]) -> bool:
    return True


FAMILIES: tuple[MathFamily, ...] = (
    MathFamily(
        name="boxes_and_loose",
        topic="shopping",
        statements=(
            "A shop has $a boxes of $b pens and $c loose pens. How many pens is that?",
            "There are $a boxes with $b pens each and $c more pens. Count the pens.",
            "Each of $a boxes holds $b pens; $c pens lie beside them. How many in all?",
        ),
        solutions=(
            _route(("boxed", "a * b", "in boxes"), ("all", "boxed + c", "in all")),
            _route(("boxed", "b * a", "boxed pens"), ("all", "c + boxed", "with loose")),
        ),
        draw=_draw(_always, a=(2, 9), b=(2, 8), c=(1, 19)),
    ),
    MathFamily(
        name="change_from_note",
        topic="shopping",
        statements=(
            "Ann buys $a cakes at $b coins and a tea for $c coins. She pays with $d coins. "
            "What is her change?",
            "$a cakes cost $b coins each, a tea $c. What is left of $d coins after buying them all?",
            "From $d coins Ann pays for $a cakes of $b coins and a tea of $c. How much remains?",
        ),
        solutions=(
            _route(
                ("cakes", "a * b", "cakes"), ("cost", "cakes + c", "cost"), ("left", "d - cost", "change")
            ),
            _route(
                ("cakes", "a * b", "cakes"),
                ("rest", "d - cakes", "after cakes"),
                ("left", "rest - c", "after tea"),
            ),
        ),
        draw=_draw(lambda v: v["a"] * v["b"] + v["c"] < v["d"], a=(2, 6), b=(2, 7), c=(1, 9), d=(20, 60)),
    ),
    MathFamily(
        name="two_kinds",
        topic="shopping",
        statements=(
            "Apples cost $a and pears $b coins. What do $c apples and $d pears cost?",
            "What is the price of $c apples at $a coins and $d pears at $b coins?",
            "Tom buys $c apples ($a coins each) and $d pears ($b each). What does he pay?",
        ),
        solutions=(
            _route(
                ("apples", "c * a", "apples"),
                ("pears", "d * b", "pears"),
                ("all", "apples + pears", "together"),
            ),
            _route(
                ("pears", "d * b", "pears"), ("apples", "c * a", "apples"), ("all", "pears + apples", "sum")
            ),
        ),
        draw=_draw(_always, a=(2, 7), b=(2, 7), c=(2, 6), d=(2, 6)),
    ),
    MathFamily(
        name="discount",
        topic="shopping",
        statements=(
            "A coat costs $a coins, a hat $b. With a coupon both together are $c coins cheaper. "
            "What is the price?",
            "Pay for a coat of $a and a hat of $b coins with $c coins off. How much?",
            "The coat is $a coins and the hat $b; $c coins are taken off. What is due?",
        ),
        solutions=(
            _route(("both", "a + b", "both"), ("price", "both - c", "less coupon")),
            _route(("coat", "a - c", "coat less coupon"), ("price", "coat + b", "with hat")),
        ),
        draw=_draw(_always, a=(21, 60), b=(5, 30), c=(2, 19)),
    ),
    MathFamily(
        name="share_equally",
        topic="sharing",
        statements=(
            "$a children share $b bags of $c nuts equally. How many nuts does each get?",
            "$b bags hold $c nuts each. Shared by $a children, how many nuts has each?",
            "Divide $b bags of $c nuts among $a children. What does one child get?",
        ),
        solutions=(
            _route(("nuts", "b * c", "nuts"), ("each", "nuts // a", "each")),
            _route(("nuts", "c * b", "all nuts"), ("each", "nuts // a", "per child")),
        ),
        draw=_draw(
            lambda v: v["b"] * v["c"] % v["a"] == 0 and v["b"] * v["c"] < 99, a=(2, 9), b=(2, 12), c=(2, 12)
        ),
    ),
    MathFamily(
        name="give_away",
        topic="sharing",
        statements=(
            "Mia has $a cards. She gives $b friends $c cards each. How many does she keep?",
            "Of $a cards Mia gives $c to each of $b friends. How many are left?",
            "$b friends get $c of the $a cards each. How many cards remain?",
        ),
        solutions=(
            _route(("given", "b * c", "given"), ("kept", "a - given", "kept")),
            _route(("gifts", "c * b", "gifts"), ("kept", "a - gifts", "left")),
        ),
        draw=_draw(lambda v: v["b"] * v["c"] < v["a"], a=(20, 70), b=(2, 6), c=(2, 9)),
    ),
    MathFamily(
        name="fair_rest",
        topic="sharing",
        statements=(
            "$a sweets: $b are eaten, the others go into $c equal bags. How many in a bag?",
            "After $b of $a sweets are eaten, the rest fills $c bags evenly. What is in one?",
            "Put what is left of $a sweets, $b being eaten, into $c equal bags. How many each?",
        ),
        solutions=(
            _route(("rest", "a - b", "left"), ("bag", "rest // c", "in a bag")),
            _route(("bag_all", "a - b", "to pack"), ("bag", "bag_all // c", "per bag")),
        ),
        draw=_draw(
            lambda v: v["a"] > v["b"] and (v["a"] - v["b"]) % v["c"] == 0, a=(15, 80), b=(2, 20), c=(2, 8)
        ),
    ),
    MathFamily(
        name="pooled",
        topic="sharing",
        statements=(
            "Ben has $a coins, Eva $b more than Ben. Together they spend $c. What is left?",
            "Eva has $b coins more than Ben, who has $a. They spend $c in all. What remains?",
            "Ben owns $a coins and Eva $b more. They pay $c together. How much is left?",
        ),
        solutions=(
            _route(("eva", "a + b", "Eva"), ("both", "a + eva", "both"), ("left", "both - c", "left")),
            _route(
                ("twice", "a + a", "without more"),
                ("both", "twice + b", "together"),
                ("left", "both - c", "rest"),
            ),
        ),
        draw=_draw(lambda v: 2 * v["a"] + v["b"] > v["c"], a=(5, 30), b=(2, 20), c=(3, 40)),
    ),
    MathFamily(
        name="trip_legs",
        topic="travel",
        statements=(
            "A van drives $a hours at $b km an hour and $c km more. How far is that?",
            "For $a hours a van does $b km an hour, then another $c km. What is the distance?",
            "After $a hours at $b km an hour a van goes on for $c km. How far in all?",
        ),
        solutions=(
            _route(("first", "a * b", "first leg"), ("all", "first + c", "distance")),
            _route(("leg", "b * a", "by hours"), ("all", "c + leg", "whole way")),
        ),
        draw=_draw(_always, a=(2, 6), b=(4, 12), c=(2, 25)),
    ),
    MathFamily(
        name="way_left",
        topic="travel",
        statements=(
            "A trip is $d km. Lea walks $a km a day for $b days, then $c km. How far is it still?",
            "Lea does $a km on each of $b days and then $c km of a $d km trip. What is left?",
            "Of $d km Lea walks $b days of $a km and $c km more. How many km remain?",
        ),
        solutions=(
            _route(("days", "a * b", "by day"), ("done", "days + c", "done"), ("left", "d - done", "left")),
            _route(
                ("days", "b * a", "whole days"),
                ("rest", "d - days", "then left"),
                ("left", "rest - c", "still"),
            ),
        ),
        draw=_draw(lambda v: v["a"] * v["b"] + v["c"] < v["d"], a=(3, 9), b=(2, 7), c=(1, 9), d=(25, 90)),
    ),
    MathFamily(
        name="there_and_back",
        topic="travel",
        statements=(
            "The school is $a km away. Sam cycles there and back on $b days. How many km?",
            "On $b days Sam rides $a km to school and $a km home. What is the total?",
            "Sam's way to school is $a km. How far does he ride in $b days, both ways?",
        ),
        solutions=(
            _route(("day", "a * 2", "a day"), ("all", "day * b", "all days")),
            _route(("there", "a * b", "there"), ("all", "there * 2", "both ways")),
            _route(("there", "a * b", "one way"), ("all", "there + there", "there and back")),
        ),
        draw=_draw(_always, a=(2, 9), b=(2, 5)),
    ),
    MathFamily(
        name="bus_stops",
        topic="travel",
        statements=(
            "A bus has $a riders. At a stop $b get off and $c get on, at the next $d get off. "
            "How many ride on?",
            "$a ride a bus; $b leave, $c join, then $d leave. How many are there now?",
            "Of $a riders $b get off, $c come in, and $d get off later. How many are left?",
        ),
        solutions=(
            _route(("one", "a - b", "after off"), ("two", "one + c", "after on"), ("left", "two - d", "now")),
            _route(("off", "b + d", "all off"), ("on", "a + c", "with new"), ("left", "on - off", "left")),
        ),
        draw=_draw(lambda v: v["a"] - v["b"] + v["c"] > v["d"], a=(15, 50), b=(2, 12), c=(2, 15), d=(2, 14)),
    ),
    MathFamily(
        name="plants_grow",
        topic="growth",
        statements=(
            "A plant is $a cm high and grows $b cm a week. How high is it after $c weeks?",
            "Growing $b cm every week, how high is a plant of $a cm in $c weeks?",
            "$a cm is a plant's height; it gains $b cm weekly. What is it after $c weeks?",
        ),
        solutions=(
            _route(("gain", "b * c", "growth"), ("high", "a + gain", "height")),
            _route(("gain", "c * b", "gained"), ("high", "gain + a", "new height")),
        ),
        draw=_draw(_always, a=(3, 30), b=(2, 7), c=(2, 8)),
    ),
    MathFamily(
        name="savings",
        topic="growth",
        statements=(
            "Kim saves $a coins a week for $b weeks and spends $c. Then grandma doubles what is left. "
            "How much?",
            "After saving $a coins in each of $b weeks Kim spends $c; the rest is doubled. What has she?",
            "Kim puts aside $a coins for $b weeks, pays $c, and gets the rest again. How many coins?",
        ),
        solutions=(
            _route(
                ("saved", "a * b", "saved"), ("rest", "saved - c", "rest"), ("all", "rest * 2", "doubled")
            ),
            _route(
                ("saved", "b * a", "in weeks"), ("rest", "saved - c", "left"), ("all", "rest + rest", "twice")
            ),
        ),
        draw=_draw(lambda v: 0 < v["a"] * v["b"] - v["c"] < 50, a=(2, 9), b=(2, 7), c=(1, 20)),
    ),
    MathFamily(
        name="herd",
        topic="growth",
        statements=(
            "A farm has $a sheep; $b of them have $c lambs each. How many animals are there?",
            "$b of $a sheep bear $c lambs each. How many sheep and lambs is that?",
            "Each of $b sheep among $a gets $c lambs. Count all animals.",
        ),
        solutions=(
            _route(("lambs", "b * c", "lambs"), ("all", "a + lambs", "animals")),
            _route(("young", "c * b", "young"), ("all", "young + a", "herd")),
        ),
        draw=_draw(lambda v: v["b"] < v["a"], a=(6, 40), b=(2, 12), c=(2, 4)),
    ),
    MathFamily(
        name="tower_blocks",
        topic="growth",
        statements=(
            "A tower has $a floors of $b blocks. $c blocks fall and $d are put back. How many blocks has it?",
            "$a floors of $b blocks stand; $c fall off, $d return. How many blocks now?",
            "Build $a floors with $b blocks each, lose $c, add $d. How many blocks?",
        ),
        solutions=(
            _route(
                ("built", "a * b", "built"), ("fell", "built - c", "after fall"), ("now", "fell + d", "now")
            ),
            _route(
                ("lost", "c - d", "lost"), ("built", "a * b", "built"), ("now", "built - lost", "standing")
            ),
        ),
        draw=_draw(lambda v: v["d"] < v["c"] < v["a"] * v["b"], a=(2, 8), b=(3, 9), c=(3, 15), d=(1, 9)),
    ),
)
