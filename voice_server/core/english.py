"""How an English clause shows, by its last words, whether it is whole."""

from enum import StrEnum

__all__ = ["End", "end_of"]


class End(StrEnum):
    """What the last words make of it."""

    OPEN = "open"  # something must follow
    DOUBTFUL = "doubtful"  # it may be whole, and it may have been cut off
    CLOSED = "closed"  # nothing says that anything follows


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_ALWAYS_OPEN = _set(
    "and but or because if the an a my your our their every than although unless whether um uh er erm"
    " i'm i'd i'll i've we're they're you're let's been"
)
_OPEN_UNLESS_ASKED = _set(
    "of to for with from into at by about in on between without during than as so who whose when"
    " while where what how since until is are was were am be will would can could should shall must may might"
    " have has had i we they he she it's that's there's like very really just not no"
    " wondering thinking saying looking want wanted need needed please maybe also then"
)
_MAYBE_LAST = _set("no not please really then so is are maybe")
"""Of these, the ones that may also be the last or the only word."""
_HANGING = _set("of to for with from into at by in on between during where when how so as than like")
"""A question may end on one of these, or was cut off there."""

_JOINTS = _set("if when whenever whether because although unless why how where that")
_PRONOUNS = _set("i you we they he she it her his this")
_SUBJECTS_AND_MODALS = _set("i you we they he she i'd you'd we'd would should could can will might may must")
_ADVERBS = _set("probably rather usually definitely basically certainly maybe")
_LEAD_INS = (
    "i mean", "first of all", "for example", "by the way", "on the other hand", "in other words",
    "as soon as",
)  # fmt: skip
_TAKING_THAT = _set(
    "do did like of about for to with at all is was want see know mean believe not after before"
)
"""Behind these "that" is a thing; behind other words a clause may follow it."""

_RELATIVES = _set("what which who how why where when than as one ones thing things all everything anything")
_STARTERS = _set("so well and but because actually okay yes no um uh")
_VERBS = _set("is are was were am be can could have has had like want wanted need needed")
_SUBORDINATORS = _set("if when whenever although though unless once while")
_INVERTED = _set("is are was were am do does did can could will would should have has")
_LONGEST_SUBORDINATE = 7

_SEPARABLE = _set("turn turned switch switched put leave plug let bring log")
_INTRANSITIVE = _set("come go hold hang carry move keep log check get")


def end_of(words: list[str], *, is_asked: bool, is_single: bool = True) -> End:
    """What these words, in lower case, give away.

    Args:
        is_asked: a question mark stands behind them.
        is_single: they are one clause, with no comma or the like in between.
    """
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last in _ALWAYS_OPEN or (before in _JOINTS and last in _PRONOUNS and len(words) > 2):
        return End.OPEN
    if last == "that" and len(words) > 2 and before not in _TAKING_THAT:
        return End.DOUBTFUL
    if is_asked:
        is_hanging = last in _HANGING and not _ends_on_particle(words)
        return End.DOUBTFUL if is_hanging else End.CLOSED
    if _is_lead_in(words) or (last in _ADVERBS and before in _SUBJECTS_AND_MODALS):
        return End.OPEN
    if last in ("do", "does", "did"):
        return End.OPEN if before in _RELATIVES else End.CLOSED
    if last in _OPEN_UNLESS_ASKED and not _ends_relative(words) and not _ends_on_particle(words):
        may_be_last = last in _MAYBE_LAST and (len(words) <= 2 or last not in ("is", "are"))
        return End.CLOSED if may_be_last else End.OPEN
    return End.DOUBTFUL if is_single and _is_subordinate(words) else End.CLOSED


def _is_lead_in(words: list[str]) -> bool:
    text = " ".join(words)
    return text.endswith(_LEAD_INS) and not text.endswith(("what i mean", "do i mean"))


def _ends_relative(words: list[str]) -> bool:
    """ "… where he is", "… not what I want": the verb is the last of a clause within another."""
    if len(words) < 3 or words[-1] not in _VERBS or words[-2] in _VERBS:
        return False
    inner = [at for at, word in enumerate(words[:-2]) if word in _RELATIVES]
    return any(words[:at] and words[at - 1] not in _STARTERS for at in inner)


def _ends_on_particle(words: list[str]) -> bool:
    """ "Turn the light on", "come in": it belongs to the verb."""
    if words[-1] not in ("on", "in", "by"):
        return False
    is_separate = any(word in _SEPARABLE for word in words[-6:-2])
    return is_separate or bool(_INTRANSITIVE & set(words[-3:-1]))


def _is_subordinate(words: list[str]) -> bool:
    """ "If the train is late": what then?"""
    is_begun = words[0] in _SUBORDINATORS and 3 <= len(words) <= _LONGEST_SUBORDINATE
    return is_begun and words[1] not in _INVERTED
