"""What Prometheus reads of a server, and who may."""

from tests.wire.rig import KEY, Served, frames_until, serving
from voice_server.client import VoiceClient
from voice_server.client.frames import Metrics

FROM_AFAR = {"X-Forwarded-For": "203.0.113.9"}


async def exposed(served: Served) -> str:
    async with served.rest() as rest:
        answer = await rest.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return answer.text


async def test_a_turn_is_seen_in_the_metrics() -> None:
    async with serving() as served, VoiceClient.connect(served.url) as client:
        await client.send_text("hello")
        await frames_until(client, Metrics)
        text = await exposed(served)
    assert "voice_server_sessions 1.0" in text
    assert "voice_server_connections 1.0" in text
    assert 'voice_server_turns_total{reason="completed"} 1.0' in text
    assert 'voice_server_stage_seconds_count{stage="llm_first_token"} 1.0' in text
    assert 'voice_server_stage_seconds_count{stage="tts_first_audio"} 1.0' in text
    assert "voice_server_loop_lag_seconds_count" in text
    assert "process_cpu_seconds_total" in text


async def test_strangers_need_a_key_for_the_metrics() -> None:
    async with serving(api_keys=[KEY]) as served, served.rest() as rest:
        assert (await rest.get("/metrics")).status_code == 200  # from this machine
        assert (await rest.get("/metrics", headers=FROM_AFAR)).status_code == 401
        with_key = FROM_AFAR | {"Authorization": f"Bearer {KEY}"}
        assert (await rest.get("/metrics", headers=with_key)).status_code == 200


async def test_metrics_can_be_open_or_off() -> None:
    async with serving(api_keys=[KEY], metrics="open") as served, served.rest() as rest:
        assert (await rest.get("/metrics", headers=FROM_AFAR)).status_code == 200
    async with serving(metrics="off") as served, served.rest() as rest:
        assert (await rest.get("/metrics")).status_code == 404
