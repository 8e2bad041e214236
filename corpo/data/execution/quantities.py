"""Read numbers with their units as people write them in answers, and compare them exactly."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

_NUMBER = (
    r"[-+]?\d+\s+\d+/\d+|[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:[eE][-+]?\d{1,3})?(?:\s*/\s*[-+]?\d+)?"
    r"|[-+]?\\frac\{[-+]?\d+\}\{[-+]?\d+\}"
)
_POWER_OF_TEN = re.compile(r"\s*(?:\\times|\\cdot|×|\*|x)\s*10\s*\^\s*\{?\s*([-+]?\d{1,3})\s*\}?")
_QUANTITY = re.compile(
    rf"(?P<currency>[$€£¥]|)\s*(?P<number>{_NUMBER})(?P<space>\s*)"
    r"(?P<unit>%|°|[$€£¥]|[^\W\d_][^\d=+,;²³^]*|)(?P<power>²|³|\^\{?[23]\}?|)"
)
_WRAPPED = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mbox|operatorname)\s*\{([^{}]*)\}")
_EXPLANATION = re.compile(
    r"\s*(?:[,;:(.\u2013\u2014-]\s*)?\b(?:because|since|as|so|which|where|due to|given that|that is|i\.e)\b"
    r"|\s+\((?=[a-z])|\.\s+(?=[A-Z])|\s+=\s*$",
    re.IGNORECASE,
)
_LEADING_WORDS = re.compile(
    r"^(?:about|approximately|exactly|only|just|equal to|equals|roughly|≈|=)\s+", re.I
)
_NUMBERS_TO_TWENTY = re.findall(
    r"\w+",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty",
)
_TENS = ["thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_NUMBER_WORDS = {word: str(number) for number, word in enumerate(_NUMBERS_TO_TWENTY)}
_NUMBER_WORDS |= {word: str(number) for number, word in zip(range(30, 100, 10), _TENS, strict=True)}
for _tens in ("twenty", *_TENS):
    for _digit, _word in enumerate(_NUMBERS_TO_TWENTY[1:10], start=1):
        _NUMBER_WORDS[f"{_tens}-{_word}"] = str(int(_NUMBER_WORDS[_tens]) + _digit)
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "dozen": 12}
# Units with several spellings, in the singular.
_SPELLINGS = (
    ("$", "dollar", "usd", "buck"),
    ("%", "percent", "percentage point"),
    ("€", "euro"),
    ("°", "degree", "degrees"),
    ("mm", "millimeter", "millimetre"),
    ("cm", "centimeter", "centimetre"),
    ("m", "meter", "metre"),
    ("km", "kilometer", "kilometre"),
    ("g", "gram"),
    ("kg", "kilogram"),
    ("l", "liter", "litre"),
    ("ml", "milliliter", "millilitre"),
    ("s", "sec", "second"),
    ("min", "minute"),
    ("h", "hr", "hour"),
    ("ft", "foot", "feet"),
    ("in", "inch", "inches", "inche"),
    ("lb", "pound"),
    ("oz", "ounce"),
    ("mph", "mile per hour"),
    ("cent", "¢"),
)
_EXPONENTS = str.maketrans("²³", "23")
_UNITS: dict[str, str] = {}
for _names in _SPELLINGS:
    _UNITS |= dict.fromkeys(_names, _names[0])
_SINGLE_LETTERS = frozenset("mglshLVWJNKCF")


@dataclass(frozen=True)
class Quantity:
    """An exact number and its unit; "" if it has none."""

    number: Fraction
    unit: str


def repair_backslashes(answer: str) -> str:
    """Return an answer with the backslashes of LaTeX that JSON has read as control characters."""
    text = answer.replace("\x0c", "\\f").replace("\x08", "\\b")
    return re.sub(r"\t(?=ext\b|imes\b|frac\b)", r"\\t", text)


def plain_text(answer: str) -> str:
    """Return an answer without the marks of LaTeX that do not change its meaning."""
    text = answer.replace("\\$", "$").replace("\\%", "%").replace("−", "-")
    text = _WRAPPED.sub(r" \1 ", text)
    text = re.sub(r"\\(?:left|right)(?![a-z])|\\[!,;:]|\\ |~", " ", text)
    text = re.sub(r"\\[dt]frac", r"\\frac", text)
    text = re.sub(r"([_^])\{(\w)\}", r"\1\2", text)
    text = re.sub(r"\^\s*\{?\\circ\}?", "°", text)
    text = re.sub(r"(?<=\d)\s*\{,\}\s*(?=\d{3})", ",", text)
    text = re.sub(r"(?<=\d)\\frac(\d)(\d)", r" \\frac{\1}{\2}", text)
    if text.count("$") == 2 and text.strip().startswith("$") and text.strip(" .").endswith("$"):
        text = text.replace("$", "")
    text = " ".join(text.split()).strip(" .*`")
    text = re.sub(r"^\(([A-Za-z])\)$", r"\1", text)
    text = re.sub(r"^(?:USD|US\$) ?(?=\d)", "$", text)
    if re.fullmatch(r"[-+]?\d{1,3}(?: \d{3})+(?:\.\d+)?", text):
        text = text.replace(" ", "")  # groups of thousands
    text = _LEADING_WORDS.sub("", text)
    if text.lower() in ("infinity", "∞"):
        return "\\infty"
    word, space, rest = text.partition(" ")
    return _NUMBER_WORDS.get(word.lower(), word) + space + rest


def without_explanation(answer: str) -> str:
    """Return an answer without the words behind it that explain it, such as "because 2 + 3 = 5"."""
    match = _EXPLANATION.search(answer)
    return answer[: match.start()].strip(" .,;:*") if match else answer


def read_quantity(text: str) -> Quantity | None:
    """Return a number with its unit, or None if a text is anything else, such as `5x` or `5 or 6`.

    `text` comes from `plain_text`.
    """
    scale = _POWER_OF_TEN.search(text)
    if scale is not None:
        text = f"{text[: scale.start()]}e{scale[1]}{text[scale.end() :]}"
    match = _QUANTITY.fullmatch(text)
    if match is None or not re.search(r"\d", match["number"]):
        return None
    unit = match["unit"].strip(" .")
    power = match["power"].translate(_EXPONENTS).strip("^{}")
    if power and not unit:
        return None
    if unit and not _is_unit(unit, is_attached=not match["space"]):
        return None
    number = _fraction(match["number"])
    if number is None:
        return None
    word, _, rest = unit.partition(" ")
    if word.lower().rstrip("s") in _SCALES:
        number, unit = number * _SCALES[word.lower().rstrip("s")], rest
    if unit.lower().startswith(("square ", "cubic ")):
        word, _, unit = unit.partition(" ")
        power = "2" if word.lower() == "square" else "3"
    return Quantity(number, _unit_name(unit) + power or _unit_name(match["currency"]))


def _is_unit(unit: str, is_attached: bool) -> bool:
    """Check that the text behind a number is a unit and not a factor, which stands close or is one letter."""
    words = unit.lower().split()
    if {"or", "and", "to"} & set(words) or any(char in unit for char in "\\^*(){}[]<>"):
        return False
    if unit in ("%", "°", "$", "€", "£", "¥"):
        return True
    if is_attached:
        return len(unit) > 1 and _unit_name(unit) in _UNITS.values()
    return len(unit) > 1 or unit in _SINGLE_LETTERS


def _unit_name(unit: str) -> str:
    """Return the common name of a unit, in the singular."""
    lower = " ".join(unit.lower().split()).rstrip(".")
    for spelling in (lower, lower.removesuffix("s")):
        if spelling in _UNITS:
            return _UNITS[spelling]
    singular = " ".join(map(_singular, lower.split()))
    return _UNITS.get(singular, singular)


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") else word


def _fraction(text: str) -> Fraction | None:
    """Return the exact value of a written number, or None for a denominator of 0."""
    match = re.fullmatch(r"([-+]?)\\frac\{(.*)\}\{(.*)\}", text)
    plain = f"{match[1]}{match[2]}/{match[3]}" if match else text
    if mixed := re.fullmatch(r"([-+]?)(\d+)\s+(\d+)/(\d+)", text):
        numerator = int(mixed[2]) * int(mixed[4]) + int(mixed[3])
        plain = f"{mixed[1]}{numerator}/{mixed[4]}"
    above, _, below = plain.replace(",", "").replace(" ", "").partition("/")
    try:
        return Fraction(above.replace("--", "").replace("+-", "-")) / Fraction(below or 1)
    except (ValueError, ZeroDivisionError):
        return None


def same_quantity(answer: Quantity, expected: Quantity) -> bool:
    """Check that two quantities are equal. One of them may lack the unit; percent may be a share of 1."""
    if answer.unit and expected.unit and not _same_unit(answer.unit, expected.unit):
        return False
    if _same_number(answer.number, expected.number):
        return True
    units = {answer.unit, expected.unit}
    if units != {"", "%"}:
        return False
    percent, share = (answer, expected) if answer.unit else (expected, answer)
    return percent.number == 100 * share.number


def _same_number(a: Fraction, b: Fraction) -> bool:
    """Check for equality; a fraction such as 1/3 may be written with at least six decimals."""
    if a == b:
        return True
    if _is_terminating(a) is _is_terminating(b):
        return False
    return abs(a - b) <= Fraction(1, 10**6) * min(Fraction(1), abs(b))


def _is_terminating(number: Fraction) -> bool:
    """Check that a number has a finite number of decimals."""
    rest = number.denominator
    for factor in (2, 5):
        while rest % factor == 0:
            rest //= factor
    return rest == 1


def _same_unit(a: str, b: str) -> bool:
    """Check for the same unit, or for a noun with and without more words, such as "apple" and "red apple"."""
    if a == b:
        return True
    if a in _UNITS.values() or b in _UNITS.values():
        return False
    words_a, words_b = set(a.split()), set(b.split())
    return words_a <= words_b or words_b <= words_a
