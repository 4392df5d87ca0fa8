"""What the scripted callers do, and what must come of it."""

from dataclasses import dataclass, replace
from enum import StrEnum


class Kind(StrEnum):
    """What a case is about."""

    QUESTION = "question"
    NOISE = "question in noise"
    PAUSE = "pause in a sentence"
    NUMBER = "dictated number or name"
    CORRECTION = "correction"
    INTERRUPTION = "interruption"
    NOD = "nod"
    BACKGROUND = "background talk"
    ECHO = "echo of the reply"
    SILENCE = "silence or noise alone"


@dataclass(frozen=True, slots=True)
class Say:
    """A recording is played into the microphone."""

    clip: str
    gain_db: float = 0.0


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nothing is said."""

    duration_ms: float


@dataclass(frozen=True, slots=True)
class Listen:
    """Nothing is said until so much of the reply has been heard."""

    heard_ms: float


@dataclass(frozen=True, slots=True)
class Room:
    """What the microphone hears beside the caller: noise, and our own voice from the loudspeaker.

    The echo comes `echo_after_ms` late; with `reverberation_ms` it is as from a large, bare room.
    """

    noise_dbfs: float | None = None
    is_hum: bool = False
    clicks_every_ms: float | None = None
    echo_db: float | None = None
    echo_after_ms: float = 80
    reverberation_ms: float = 0


@dataclass(frozen=True, slots=True)
class Case:
    """`turns`: for each turn that must come, in order, a word of it (or several that may be heard).

    `known_failure`: why it fails, if it does; it is counted in the table all the same.
    """

    name: str
    kind: Kind
    steps: tuple[Say | Quiet | Listen, ...]
    turns: tuple[str, ...] = ()
    room: Room = Room()
    known_failure: str | None = None


MISHEARD = "the recogniser writes other words, which read as a whole sentence"
SOMEWHERE_MISHEARD = "with the arithmetic of some processors the recogniser writes other words"
WASHED_OUT = "the room rings so long that neither the words nor the sound are ours"
SAME_VOICE = "the voice that speaks the reply calls through its echo, for less than a second"
SOUNDS_WHOLE = "the first part is a whole sentence, to the ear and to the eye"

REST = Quiet(2_500)


def _asked(kind: Kind, clip: str, word: str, room: Room = Room(), name: str = "") -> Case:
    return Case(name or clip, kind, (Quiet(400), Say(clip), REST), (word,), room)


def _paused(clips: str, pause_ms: float, word: str, kind: Kind = Kind.PAUSE, failing: str = "") -> Case:
    first, *rest = clips.split()
    said: list[Say | Quiet | Listen] = [Quiet(400), Say(first)]
    for clip in rest:
        said += [Quiet(pause_ms), Say(clip)]
    return Case(f"{first} {pause_ms:g} ms", kind, (*said, REST), (word,), known_failure=failing or None)


def _over(
    kind: Kind, story: str, clip: str, gain_db: float, heard_ms: float, *turns: str, room: Room = Room()
) -> Case:
    steps = (Quiet(400), Say(story), Listen(heard_ms), Say(clip, gain_db), REST)
    echo = "" if room.echo_db is None else f" through an echo of {room.echo_db:g} dB"
    return Case(f"{clip} {gain_db:+g} dB at {heard_ms:g} ms{echo}", kind, steps, ("tell|light", *turns), room)


def _room(name: str, room: Room) -> Case:
    return Case(name, Kind.SILENCE, (Quiet(5_000),), (), room)


CASES: tuple[Case, ...] = (
    # ── Plain questions ──────────────────────────────────────────────────────────────────────────
    _asked(Kind.QUESTION, "france", "capital"),
    _asked(Kind.QUESTION, "week", "days"),
    _asked(Kind.QUESTION, "romeo", "romeo"),
    _asked(Kind.QUESTION, "egg", "egg"),
    _asked(Kind.QUESTION, "name", "name"),
    _asked(Kind.QUESTION, "airplanes", "fly"),
    _asked(Kind.QUESTION, "sum", "plus"),
    _asked(Kind.QUESTION, "joke", "joke"),
    _asked(Kind.QUESTION, "moon", "moon"),
    _asked(Kind.QUESTION, "sky", "sky"),
    _asked(Kind.QUESTION, "ocean", "ocean"),
    _asked(Kind.QUESTION, "penguins", "penguins"),
    _asked(Kind.QUESTION, "joe_stars", "stars"),
    _asked(Kind.QUESTION, "joe_tea", "tea"),
    _asked(Kind.QUESTION, "amy_mars", "mars"),
    # ── The same in noise ────────────────────────────────────────────────────────────────────────
    _asked(Kind.NOISE, "france", "capital", Room(noise_dbfs=-45), "france in quiet noise"),
    _asked(Kind.NOISE, "week", "days", Room(noise_dbfs=-35), "week in noise"),
    _asked(Kind.NOISE, "penguins", "penguins", Room(noise_dbfs=-48), "penguins in noise"),
    _asked(Kind.NOISE, "moon", "moon", Room(noise_dbfs=-40), "moon in noise"),
    _asked(Kind.NOISE, "egg", "egg", Room(noise_dbfs=-32, is_hum=True), "egg in hum"),
    _asked(Kind.NOISE, "romeo", "romeo", Room(clicks_every_ms=700), "romeo with clicks"),
    # ── A pause within a sentence ────────────────────────────────────────────────────────────────
    _paused("joe_ticket_1 joe_ticket_2", 900, "morning"),
    _paused("joe_ticket_1 joe_ticket_2", 1_100, "morning"),
    _paused("joe_because_1 joe_because_2", 1_000, "order"),
    _paused("joe_weather_1 joe_weather_2", 800, "weekend"),
    _paused("joe_think_1 joe_think_2", 1_000, "book"),
    _paused("joe_friend_1 joe_friend_2", 900, "guitar"),
    _paused("joe_recipe_1 joe_recipe_2", 700, "soup", failing=SOUNDS_WHOLE),
    _paused("amy_movie_1 amy_movie_2", 700, "children", failing=MISHEARD),
    _paused("amy_where_1 amy_where_2", 900, "station", failing=MISHEARD),
    _paused("amy_gift_1 amy_gift_2", 1_000, "sister|gift"),
    _paused("ben_car_1 ben_car_2", 1_000, "left"),
    _paused("ben_plan_1 ben_plan_2", 1_100, "museum"),
    Case("pause.wav", Kind.PAUSE, (Quiet(400), Say("pause"), REST), ("planet",)),
    # ── Numbers and names ────────────────────────────────────────────────────────────────────────
    _paused("joe_phone_1 joe_phone_2 joe_phone_3", 800, "555", Kind.NUMBER),
    _paused("joe_phone_1 joe_phone_2 joe_phone_3", 1_100, "555", Kind.NUMBER),
    _paused("joe_code_1 joe_code_2", 900, "7", Kind.NUMBER),
    _paused("amy_pin_1 amy_pin_2", 800, "0|zero", Kind.NUMBER),
    _paused("amy_name_1 amy_name_2", 900, "name", Kind.NUMBER),
    _paused("ben_card_1 ben_card_2", 1_000, "4", Kind.NUMBER),
    # ── Corrections ──────────────────────────────────────────────────────────────────────────────
    _paused("joe_alarm_1 joe_alarm_2", 250, "seven|7", Kind.CORRECTION),
    _paused("joe_sum_1 joe_sum_2", 150, "three|3", Kind.CORRECTION),
    _paused("amy_meet_1 amy_meet_2", 150, "tuesday", Kind.CORRECTION),
    _paused("ben_room_1 ben_room_2", 250, "no", Kind.CORRECTION),
    # ── Interruptions ────────────────────────────────────────────────────────────────────────────
    _over(Kind.INTERRUPTION, "joe_story", "joe_wait", 0, 2_000, "wait"),
    _over(Kind.INTERRUPTION, "joe_story", "joe_stop", 0, 3_000, "stop"),
    _over(Kind.INTERRUPTION, "joe_story", "joe_no", 0, 1_500, "no"),
    _over(Kind.INTERRUPTION, "joe_story", "joe_how_old", -3, 4_000, "old"),
    _over(Kind.INTERRUPTION, "joe_story", "joe_other", 0, 2_500, "talk"),
    _over(Kind.INTERRUPTION, "joe_story", "joe_actually", -6, 2_000, "actually"),
    _over(Kind.INTERRUPTION, "joe_story", "joe_butwhy", 0, 3_500, "why"),
    _over(Kind.INTERRUPTION, "amy_story", "amy_stop", 0, 2_000, "stop"),
    _over(Kind.INTERRUPTION, "amy_story", "amy_hold_on", 0, 3_000, "hold|oh"),
    _over(Kind.INTERRUPTION, "amy_story", "amy_question", -3, 2_500, "what"),
    _over(Kind.INTERRUPTION, "ben_story", "ben_enough", 0, 2_000, "thank|enough"),
    _over(Kind.INTERRUPTION, "ben_story", "ben_where", 0, 3_000, "where"),
    Case(
        "interruption.wav at 2000 ms",
        Kind.INTERRUPTION,
        (Quiet(400), Say("long_answer"), Listen(2_000), Say("interruption"), REST),
        ("story", "stop"),
    ),
    # ── Nods ─────────────────────────────────────────────────────────────────────────────────────
    _over(Kind.NOD, "joe_story", "joe_right", 0, 2_000),
    _over(Kind.NOD, "joe_story", "joe_right", -8, 3_500),
    _over(Kind.NOD, "joe_story", "joe_okay", 0, 2_500),
    _over(Kind.NOD, "joe_story", "joe_okay", -8, 4_000),
    _over(Kind.NOD, "joe_story", "joe_yeah", 0, 3_000),
    _over(Kind.NOD, "joe_story", "joe_yeah", -8, 1_500),
    _over(Kind.NOD, "joe_story", "joe_isee", 0, 2_200),
    replace(_over(Kind.NOD, "joe_story", "joe_uhhuh", -4, 2_800), known_failure=SOMEWHERE_MISHEARD),
    _over(Kind.NOD, "amy_story", "amy_okay", 0, 2_000),
    _over(Kind.NOD, "amy_story", "amy_yes", -4, 3_000),
    _over(Kind.NOD, "amy_story", "amy_right", 0, 2_600),
    _over(Kind.NOD, "ben_story", "ben_sure", 0, 2_000),
    _over(Kind.NOD, "ben_story", "ben_okay", -6, 3_200),
    # ── Somebody else ────────────────────────────────────────────────────────────────────────────
    _over(Kind.BACKGROUND, "joe_story", "ben_football", -20, 2_000),
    _over(Kind.BACKGROUND, "joe_story", "ben_shopping", -18, 3_000),
    _over(Kind.BACKGROUND, "amy_story", "ben_football", -18, 2_500),
    _over(Kind.BACKGROUND, "amy_story", "joe_how_old", -20, 2_000),
    # ── Ourselves ────────────────────────────────────────────────────────────────────────────────
    *(
        Case(
            f"{story} with an echo of {echo_db:g} dB",
            Kind.ECHO,
            (Quiet(400), Say(story), Listen(6_000)),
            ("tell|light",),
            Room(echo_db=echo_db),
        )
        for story, echo_db in (("joe_story", -10), ("amy_story", -16), ("ben_story", -24))
    ),
    *(
        Case(
            f"{story} with an echo of {room.echo_db:g} dB, {room.reverberation_ms:g} ms of reverberation",
            Kind.ECHO,
            (Quiet(400), Say(story), Listen(8_000)),
            ("tell|light",),
            room,
            known_failure=WASHED_OUT if room.reverberation_ms == 900 else None,
        )
        for story, room in (
            ("joe_story", Room(echo_db=-3, echo_after_ms=240, reverberation_ms=500)),
            ("amy_story", Room(echo_db=-6, echo_after_ms=400, reverberation_ms=700)),
            ("ben_story", Room(echo_db=-12, echo_after_ms=320, reverberation_ms=900)),
            ("amy_story", Room(echo_db=0, echo_after_ms=160, reverberation_ms=1_200)),
        )
    ),
    *(
        _over(
            Kind.INTERRUPTION, story, clip, 0, heard_ms, word, room=Room(echo_db=echo_db, echo_after_ms=200)
        )
        for story, clip, heard_ms, word, echo_db in (
            ("amy_story", "amy_question", 2_500, "what", -24),
            ("ben_story", "ben_enough", 2_000, "thank|enough", -16),
            ("joe_story", "joe_other", 4_500, "talk", -12),
        )
    ),
    replace(
        _over(
            Kind.INTERRUPTION,
            "joe_story",
            "joe_wait",
            0,
            2_000,
            "wait",
            room=Room(echo_db=-20, echo_after_ms=200),
        ),
        known_failure=SAME_VOICE,
    ),
    *(
        _over(Kind.NOD, story, clip, 0, heard_ms, room=Room(echo_db=-20, echo_after_ms=200))
        for story, clip, heard_ms in (("joe_story", "joe_okay", 2_500), ("amy_story", "amy_yes", 3_000))
    ),
    # ── Nobody ───────────────────────────────────────────────────────────────────────────────────
    _room("silence", Room()),
    _room("white noise", Room(noise_dbfs=-40)),
    _room("loud noise", Room(noise_dbfs=-25)),
    _room("hum", Room(noise_dbfs=-30, is_hum=True)),
    _room("clicks", Room(clicks_every_ms=450)),
)
