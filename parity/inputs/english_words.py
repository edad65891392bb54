"""Signs, words and endings that the rules of `parity.inputs.english` speak of."""

from __future__ import annotations


def _listed(words: str) -> list[str]:
    return words.split()


# ftfy: line ends, quotation marks, ligatures, and control characters, which vanish.
LINES = "\\r\\n|[\\r\x85\u2028\u2029]"
CONTROLS = "[\\x00-\\x08\\x0B\\x0E-\\x1F\\x7F\u206a-\u206f\ufeff\ufff9-\ufffc]"
LIGATURES = {
    "ĳ": "ij", "Ĳ": "IJ", "ŉ": "ʼn", "Ǆ": "DŽ", "ǅ": "Dž", "ǆ": "dž", "Ǉ": "LJ", "ǈ": "Lj", "ǉ": "lj", "Ǌ": "NJ",
    "ǋ": "Nj", "ǌ": "nj", "ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "ſt", "ﬆ": "st",
}  # fmt: skip
# text_standardize: signs that get spaces around their runs.
RUNS = (
    "-",
    "~",
    "!",
    '"',
    ";",
    r"\?",
    r"\+",
    ",",
    r"\)",
    r"\(",
    r"\\",
    "/",
    r"\*",
    r"\[",
    r"\]",
    r"\}",
    r"\{",
    r"\|",
    "_",
)
# spaCy: of those runs these are cut into single signs, the others stay whole.
SINGLE = r"!\";?+,)(*\[\]}{_"
# Signs that it takes off both ends of a word, and those that stand alone wherever they are.
ENDS = r":'<>#&`¿¡§«»・·。，、；：？！（）【】《》「」『』"
FIRST = ENDS + r"%=$£€¥฿₽₠-₿"
UNITS = _listed(
    "km km² km³ m m² m³ dm dm² dm³ cm cm² cm³ mm mm² mm³ ha µm nm yd in ft kg g mg µg t lb oz kmh mph hPa Pa mbar mb "
    "MB kb KB gb GB tb TB T G M K % $ £ € ¥"
)
# Whole words that begin or end with an apostrophe, or end with a full stop.
HEADLESS = _listed("em ll nuff re d s S cause Cause cos Cos coz Coz cuz Cuz bout")
ENDLESS = _listed("doin goin nothin nuthin ol somethin lovin havin")
ABBREVIATIONS = _listed(
    "Adm Ak Ala Apr Ariz Ark Aug Bros Calif Co Colo Conn Corp D.C Dec Del Dr E.G E.g Feb Fla Ga Gen Gov I.E I.e Ia Id "
    "Ill Inc Ind Jan Jr Jul Jun Kan Kans Ky La Ltd Mar Mass Md Messrs Mich Minn Miss Mo Mont Mr Mrs Ms Mt N.C N.D N.H "
    "N.J N.M N.Y Neb Nebr Nev Nov Oct Okla Ore Pa Ph.D Prof Rep Rev S.C Sen Sep Sept St Tenn Va Wash Wis a.m co e.g "
    "i.e p.m v.s vs"
)
# Contractions: hosts by what follows them. Without the apostrophe they are cut, too, but for words of their own.
PRONOUNS = _listed("i you he she it we they")
ASKING = _listed("who what when where why how there that this these those")
NEGATED = _listed(
    "could do does did had may might must need ought sha should wo would ai are is was were have has dare ca"
)
HOSTS: dict[str, list[str]] = {
    "n't": NEGATED,
    "'m": ["i"],
    "'ll": PRONOUNS + ASKING,
    "'d": PRONOUNS + ASKING,
    "'ve": ["i", "you", "we", "they", *ASKING, "could", "might", "must", "should", "would", "not"],
    "'re": ["you", "we", "they", *ASKING],
    "'s": ["he", "she", "it", "let", *ASKING],
}
WORDS = frozenset(_listed("ill its hell shell shed were well whore lets"))
DOUBLE = ("n't've", "'ll've", "'d've")
CUT = {"cannot": 3, "gonna": 3, "gotta": 3, "y'all": 2, "c'mon": 3}
