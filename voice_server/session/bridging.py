"""What is said while a tool keeps the caller waiting."""

from voice_server.core.languages import primary

_WORDS = {
    "cs": ("Okamžik, prosím.", "Ještě na tom pracuji."),
    "da": ("Et øjeblik.", "Jeg arbejder stadig på det."),
    "de": ("Einen Moment, bitte.", "Ich bin noch dabei."),
    "en": ("One moment, please.", "I am still working on it."),
    "es": ("Un momento, por favor.", "Sigo en ello."),
    "fi": ("Hetkinen.", "Selvitän vielä."),
    "fr": ("Un instant, s'il vous plaît.", "J'y travaille encore."),
    "it": ("Un momento, per favore.", "Ci sto ancora lavorando."),
    "ja": ("少々お待ちください。", "まだ調べています。"),
    "ko": ("잠시만 기다려 주세요.", "아직 확인하고 있습니다."),
    "nl": ("Een moment, alstublieft.", "Ik ben er nog mee bezig."),
    "no": ("Et øyeblikk.", "Jeg jobber fortsatt med det."),
    "pl": ("Chwileczkę.", "Jeszcze nad tym pracuję."),
    "pt": ("Um momento, por favor.", "Ainda estou a tratar disso."),
    "ru": ("Одну минуту, пожалуйста.", "Я ещё работаю над этим."),
    "sv": ("Ett ögonblick.", "Jag håller fortfarande på."),
    "tr": ("Bir dakika lütfen.", "Hâlâ üzerinde çalışıyorum."),
    "uk": ("Хвилинку, будь ласка.", "Я ще працюю над цим."),
    "zh": ("请稍等。", "我还在处理。"),
}


def bridge(language: str, *, is_first: bool) -> str:
    """A short sentence in this language; in English where we have none."""
    first, later = _WORDS.get(primary(language), _WORDS["en"])
    return first if is_first else later
