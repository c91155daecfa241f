"""The words that have a meaning in arithmetic, and what it is; a phrase is words with spaces between."""

from __future__ import annotations


def vocabulary(text: str) -> frozenset[str]:
    """Return the words of a text as a set."""
    return frozenset(text.split())


# --- numbers ---

ONES = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15,
    "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19,
}  # fmt: skip
TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
    "ninety": 90,
}  # fmt: skip
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
COUNTS = {**SCALES, "hundred": 100, "dozen": 12}
"""What there can be a number of, as in ``3 dozen``, or one, as in ``a hundred``."""
SHARES = {
    "half": 2, "halves": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7,
    "eighth": 8, "ninth": 9, "tenth": 10, "twelfth": 12, "twentieth": 20, "hundredth": 100,
    "thousandth": 1000,
}  # fmt: skip
"""What a whole is divided by; an s may follow."""
ORDINALS = {
    **{share: number for share, number in SHARES.items() if number > 2 and not share.startswith("q")},
    "second": 2, "eleventh": 11,
}  # fmt: skip
"""Which power it is, in words."""
MONEY = {
    "dollar": "dollar", "dollars": "dollar", "bucks": "dollar", "euro": "euro", "euros": "euro",
    "pounds": "pound", "quid": "pound", "yen": "yen", "cents": "cent", "doubloons": "doubloon",
    "crowns": "crown", "pence": "penny", "shillings": "shilling", "francs": "franc", "rupees": "rupee",
    "pesos": "peso",
}  # fmt: skip

MONEY_SIGNS = {"$": "dollar", "€": "euro", "£": "pound", "¥": "yen", "¢": "cent"}

# --- what is done with them ---

INFIX = {
    "plus": "+", "added to": "+", "increased by": "+", "raised by": "+", "up": "+", "minus": "-",
    "less": "-", "take away": "-", "without": "-", "decreased by": "-", "reduced by": "-",
    "lowered by": "-", "down": "-", "with": "with", "at": "with", "times": "*", "multiplied by": "*",
    "multiplied with": "*", "by": "*", "x": "*", "divided by": "/", "over": "/", "split by": "/",
    "split among": "/", "split between": "/", "split into": "/", "shared by": "/", "shared among": "/",
    "shared between": "/", "split": "/", "mod": "mod", "modulo": "mod", "+": "+", "-": "-", "*": "*",
    "/": "/", "//": "//",
}  # fmt: skip
"""Signs between two operands; of phrases that begin alike the longer comes first."""
POSTFIX = {
    "doubled": "* 2", "tripled": "* 3", "halved": "/ 2", "squared": "^ 2", "cubed": "^ 3", "dozen": "* 12",
}  # fmt: skip
"""What is done with the operand before."""
TO_THE_POWER = ("to the power of", "raised to the power of", "raised to", "to the power")
GOES_INTO = ("go into", "goes into", "fit into", "fits into", "go in", "fit in")
"""Phrases between two operands that belong more closely to them than signs do."""
AFTER_TERM = {
    **dict.fromkeys(("more than", "greater than", "added to"), "({1} + {0})"),
    **dict.fromkeys(
        ("less than", "fewer than", "smaller than", "subtracted from", "taken from", "off"), "({1} - {0})"
    ),
}
"""Phrases between two whole products, {0} and {1}: 3 less than 5 times 4 is 17."""
OF_THE_OTHER = frozenset(
    ["off", "more than", "greater than", "less than", "fewer than", "smaller than", "increased by",
     "raised by", "up", "decreased by", "reduced by", "lowered by", "down", "with", "at", "by"]
)  # fmt: skip
"""Phrases beside which a share is one of what stands on the other side: a third off 90, 90 up a half."""
PLAINLY = frozenset(["plus", "minus", "+", "-", "*", "/"])
"""Signs beside which a share is a number like another: 3 plus a half."""
MULTIPLES = {"twice": 2, "double": 2, "thrice": 3, "triple": 3, "treble": 3, "quadruple": 4}
OF_LIST = {
    "sum": "+", "total": "+", "product": "*", "average": "average", "mean": "average",
    "largest": "max", "biggest": "max", "greatest": "max", "highest": "max", "maximum": "max",
    "smallest": "min", "lowest": "min", "least": "min", "minimum": "min",
    "difference": "-", "gap": "-", "distance": "-", "quotient": "/", "ratio": "/",
}  # fmt: skip
"""What is made of several operands: a sign between them, or a function of them."""
ROOTS = {"square": "sqrt", "cube": "cbrt", "root": "sqrt", "sqrt": "sqrt", "factorial": "factorial"}
"""Functions of one operand; ``square`` and ``cube`` need a ``root`` after them."""
CHARGES = ("tip", "tax", "vat", "interest", "commission", "gratuity")
"""What a percentage is that is paid on top."""
CHARGED = tuple(f"{charge} {to}" for charge in CHARGES for to in ("on", "of"))
"""What follows a percentage of something that is paid."""
MORE = vocabulary("more greater larger bigger higher older")
LESS = vocabulary("less smaller lower fewer")

# --- what stands around it ---

BEFORE = vocabulary(
    "what what's whats is are how much many does do would calculate compute evaluate work figure out find "
    "solve tell me give gimme i need want to know please can could you the result of value so now hey ok "
    "reckon be get if take come comes will only just start begin with : ,"
)
"""What may stand before a calculation without a meaning for it."""
AFTER = vocabulary(
    "please is are what how much many equals equal makes make come comes to be in total all altogether "
    "together then for me thanks ways left remains gives do we get , = ? . ! : ;"
)
"""What may stand after a calculation without a meaning for it."""
_PARTS = [
    *SHARES, *(f"{word}th" for word in ONES if word == "eleven" or word.endswith("teen")),
    *(f"{word.removesuffix('y')}ieth" for word in TENS),
]  # fmt: skip
_SCALING = vocabulary(
    "tens ones score scores gross pair pairs couple couples myriad lakh lakhs crore crores mils bil tril "
    "grand quadrillion quadrillions quintillion quintillions sextillion sextillions googol permille promille "
    "bps pp remainder remainders rest rounded round rounding truncated floored approximately approx roughly "
    "about around nearest quotients reciprocal inverse negative positive power powers exponent nth"
)
"""Words that are not reckoned with everywhere, but change a number where they stand."""
RECKONED = _SCALING.union(
    ONES, TENS, COUNTS, MULTIPLES, POSTFIX, OF_LIST, ROOTS, _PARTS, (f"{part}s" for part in _PARTS),
    ("more", "less", "off", "percent"), (word for phrase in INFIX for word in phrase.split()),
)  # fmt: skip
"""Words that are no names of things."""
