"""Has the providers of a session count what its caller uses."""

from dataclasses import replace

from voice_server.providers.metered import Bill, MeteredLlm, MeteredStt, MeteredTts
from voice_server.session.choice import Catalogue, Choice


def metered(catalogue: Catalogue, default: Choice, bill: Bill) -> tuple[Catalogue, Choice]:
    """The same providers, with a bill."""
    stt = {id(one): MeteredStt(one, bill) for one in catalogue.stt}
    llm = {id(one): MeteredLlm(one, bill) for one in catalogue.llm}
    tts = {id(one): MeteredTts(one, bill) for one in catalogue.tts}
    counted = replace(catalogue, stt=[*stt.values()], llm=[*llm.values()], tts=[*tts.values()])
    chosen = replace(
        default,
        stt=stt.get(id(default.stt)) or MeteredStt(default.stt, bill),
        llm=llm.get(id(default.llm)) or MeteredLlm(default.llm, bill),
        tts=tts.get(id(default.tts)) or MeteredTts(default.tts, bill),
    )
    return counted, chosen
