"""What the server itself has to say, in the language of the conversation; never a part of history."""

from enum import Enum

from voice_server.core.languages import primary


class Sentence(Enum):
    """Why it speaks."""

    NOT_HEARD = 0
    NO_ANSWER = 1
    NO_VOICE = 2
    ONE_MOMENT = 3
    FILLER = 4
    STILL_WORKING = 5

    def in_language(self, language: str) -> str:
        """Its words in the language of a BCP 47 tag; English where we know no better."""
        return _WORDS.get(primary(language), _WORDS["en"])[self.value]


def sentences_in(language: str) -> list[str]:
    """All that may have to be said, those first that matter most."""
    return [one.in_language(language) for one in Sentence]


_WORDS = {
    "cs": (
        "Promiňte, nerozuměl jsem. Zopakujte to, prosím.",
        "Promiňte, na to teď nemohu odpovědět. Zkuste to prosím znovu.",
        "Promiňte, selhal mi hlas. Zkuste to prosím znovu.",
        "Okamžik, prosím.",
        "Podívám se.",
        "Ještě na tom pracuji.",
    ),
    "da": (
        "Undskyld, det forstod jeg ikke. Sig det venligst igen.",
        "Undskyld, det kan jeg ikke svare på lige nu. Prøv venligst igen.",
        "Undskyld, min stemme svigtede. Prøv venligst igen.",
        "Et øjeblik.",
        "Lad mig se.",
        "Jeg arbejder stadig på det.",
    ),
    "de": (
        "Entschuldigung, das habe ich nicht verstanden. Bitte sagen Sie es noch einmal.",
        "Entschuldigung, das kann ich gerade nicht beantworten. Bitte versuchen Sie es noch einmal.",
        "Entschuldigung, meine Stimme hat versagt. Bitte versuchen Sie es noch einmal.",
        "Einen Moment, bitte.",
        "Mal sehen.",
        "Ich bin noch dabei.",
    ),
    "en": (
        "Sorry, I could not make that out. Please say it again.",
        "Sorry, I can't answer that just now. Please try again.",
        "Sorry, my voice failed me. Please try again.",
        "One moment, please.",
        "Let me see.",
        "I am still working on it.",
    ),
    "es": (
        "Perdón, no lo he entendido. Repítalo, por favor.",
        "Perdón, ahora mismo no puedo responder. Inténtelo de nuevo, por favor.",
        "Perdón, me ha fallado la voz. Inténtelo de nuevo, por favor.",
        "Un momento, por favor.",
        "Vamos a ver.",
        "Sigo en ello.",
    ),
    "fi": (
        "Anteeksi, en saanut selvää. Sanoisitko sen uudelleen.",
        "Anteeksi, en voi vastata siihen juuri nyt. Yritä uudelleen.",
        "Anteeksi, ääneni petti. Yritä uudelleen.",
        "Hetkinen.",
        "Katsotaanpa.",
        "Selvitän vielä.",
    ),
    "fr": (
        "Pardon, je n'ai pas compris. Répétez, s'il vous plaît.",
        "Pardon, je ne peux pas répondre pour le moment. Réessayez, s'il vous plaît.",
        "Pardon, ma voix m'a lâché. Réessayez, s'il vous plaît.",
        "Un instant, s'il vous plaît.",
        "Voyons.",
        "J'y travaille encore.",
    ),
    "it": (
        "Scusi, non ho capito. Lo ripeta, per favore.",
        "Scusi, al momento non posso rispondere. Riprovi, per favore.",
        "Scusi, mi è mancata la voce. Riprovi, per favore.",
        "Un momento, per favore.",
        "Vediamo.",
        "Ci sto ancora lavorando.",
    ),
    "ja": (
        "すみません、聞き取れませんでした。もう一度お願いします。",
        "すみません、今はお答えできません。もう一度お試しください。",
        "すみません、声が出ませんでした。もう一度お試しください。",
        "少々お待ちください。",
        "そうですね。",
        "まだ調べています。",
    ),
    "ko": (
        "죄송합니다, 잘 알아듣지 못했습니다. 다시 한번 말씀해 주세요.",
        "죄송합니다, 지금은 답변할 수 없습니다. 다시 시도해 주세요.",
        "죄송합니다, 목소리가 나오지 않았습니다. 다시 시도해 주세요.",
        "잠시만 기다려 주세요.",
        "어디 볼까요.",
        "아직 확인하고 있습니다.",
    ),
    "nl": (
        "Sorry, dat heb ik niet verstaan. Zeg het alstublieft nog eens.",
        "Sorry, dat kan ik nu niet beantwoorden. Probeer het alstublieft nog eens.",
        "Sorry, mijn stem liet me in de steek. Probeer het alstublieft nog eens.",
        "Een ogenblik, alstublieft.",
        "Even kijken.",
        "Ik ben er nog mee bezig.",
    ),
    "no": (
        "Beklager, det forsto jeg ikke. Si det gjerne en gang til.",
        "Beklager, det kan jeg ikke svare på akkurat nå. Prøv igjen.",
        "Beklager, stemmen min sviktet. Prøv igjen.",
        "Et øyeblikk.",
        "La meg se.",
        "Jeg jobber fortsatt med det.",
    ),
    "pl": (
        "Przepraszam, nie zrozumiałem. Proszę powtórzyć.",
        "Przepraszam, nie mogę teraz odpowiedzieć. Proszę spróbować ponownie.",
        "Przepraszam, zawiódł mnie głos. Proszę spróbować ponownie.",
        "Chwileczkę, proszę.",
        "Zobaczmy.",
        "Jeszcze nad tym pracuję.",
    ),
    "pt": (
        "Desculpe, não percebi. Repita, por favor.",
        "Desculpe, não posso responder agora. Tente novamente, por favor.",
        "Desculpe, a minha voz falhou. Tente novamente, por favor.",
        "Um momento, por favor.",
        "Vejamos.",
        "Ainda estou a tratar disso.",
    ),
    "ru": (
        "Извините, не удалось разобрать. Повторите, пожалуйста.",
        "Извините, сейчас не могу ответить. Попробуйте, пожалуйста, ещё раз.",
        "Извините, у меня пропал голос. Попробуйте, пожалуйста, ещё раз.",
        "Одну минуту, пожалуйста.",
        "Сейчас посмотрим.",
        "Я ещё работаю над этим.",
    ),
    "sv": (
        "Förlåt, jag uppfattade inte det. Säg det igen, tack.",
        "Förlåt, jag kan inte svara just nu. Försök igen, tack.",
        "Förlåt, rösten svek mig. Försök igen, tack.",
        "Ett ögonblick, tack.",
        "Låt mig se.",
        "Jag håller fortfarande på.",
    ),
    "tr": (
        "Üzgünüm, anlayamadım. Lütfen tekrar söyleyin.",
        "Üzgünüm, şu anda yanıt veremiyorum. Lütfen tekrar deneyin.",
        "Üzgünüm, sesim çıkmadı. Lütfen tekrar deneyin.",
        "Bir dakika lütfen.",
        "Bir bakayım.",
        "Hâlâ üzerinde çalışıyorum.",
    ),
    "uk": (
        "Вибачте, не вдалося розібрати. Повторіть, будь ласка.",
        "Вибачте, зараз не можу відповісти. Спробуйте, будь ласка, ще раз.",
        "Вибачте, у мене зник голос. Спробуйте, будь ласка, ще раз.",
        "Хвилинку, будь ласка.",
        "Зараз подивимося.",
        "Я ще працюю над цим.",
    ),
    "zh": (
        "抱歉，我没听清。请再说一遍。",
        "抱歉，我现在无法回答。请再试一次。",
        "抱歉，我发不出声音。请再试一次。",
        "请稍等。",
        "让我看看。",
        "我还在处理。",
    ),
}
