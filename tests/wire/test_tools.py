"""Tools of the server: a model on OpenAI's wire calls a function, an HTTP endpoint, an MCP server."""

import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.examples import install
from tests.fakes.endpoint import FakeEndpoint
from tests.wire.rig import KEY, Json, Served, eventually
from tests.wire.test_vendors import served_by
from voice_server.client import VoiceClient
from voice_server.core.caller import Caller
from voice_server.errors import ConfigurationError
from voice_server.fakes.openai import FakeOpenAi
from voice_server.fakes.script import Script
from voice_server.providers.base import ToolUse
from voice_server.tools.box import ToolBox
from voice_server.tools.functions import Functions
from voice_server.tools.http import Endpoint, HttpTools
from voice_server.tools.mcp import McpAddress, McpServer

MCP_SERVER = Path(__file__).parent.parent / "fakes/mcp_server.py"
STDIO: Json = {"name": "demo", "command": sys.executable, "args": [str(MCP_SERVER), "stdio"]}


@pytest.fixture(scope="session")
def dice_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install("dice", tmp_path_factory.mktemp("dice"))


@pytest.fixture
def dice(dice_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(dice_folder)


@asynccontextmanager
async def asking(use: ToolUse, **settings: Any) -> AsyncIterator[tuple[FakeOpenAi, Served]]:
    """A server whose model wants `use`, and its tools."""
    async with FakeOpenAi(Script(tool_uses=(use,), words=("Here it is.",))) as fake:
        async with served_by(fake, **settings) as served:
            yield fake, served
        await fake.until_left()


async def told(fake: FakeOpenAi, served: Served) -> str:
    """What the model was told of its tool, in a turn that ended well."""
    async with VoiceClient.connect(served.url) as client:
        await client.send_text("Go ahead", audio=False)
        turn = await client.turn()
    assert turn.reply == "Here it is.Here it is."  # before the tool and after it
    assert turn.errors == ()
    message = fake.seen.calls[-1].raw["messages"][-1]
    assert (message["role"], message["tool_call_id"]) == ("tool", "call_1")
    content: str = message["content"]
    return content


def offered(fake: FakeOpenAi) -> dict[str, Json]:
    return {tool["function"]["name"]: tool["function"] for tool in fake.seen.calls[0].raw["tools"]}


def calling(name: str, **arguments: Any) -> ToolUse:
    return ToolUse("call_1", name, json.dumps(arguments))


# ── Functions ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("dice")
async def test_a_function_of_an_installed_package() -> None:
    names = ["roll_dice", "toss_coin"]
    async with asking(calling("roll_dice", sides=2, times=3), tools__functions=names) as (fake, served):
        async with VoiceClient.connect(served.url) as client:
            assert client.init_ack.config["tools"] == {"supported": True, "names": names}
        answer = await told(fake, served)
    assert len(answer.split(", ")) == 3 and set(answer.split(", ")) <= {"1", "2"}
    told_of = offered(fake)["roll_dice"]
    assert told_of["description"] == "Throw a fair dice, or several, and tell what came up."
    assert told_of["parameters"]["properties"]["sides"]["maximum"] == 100


@pytest.mark.usefixtures("dice")
@pytest.mark.parametrize(
    ("use", "sentence"),
    [
        (calling("toss_coin", bet="edge"), "One can bet on heads or on tails only."),
        (calling("toss_coin"), "The arguments do not fit. bet: Missing required argument."),
        (
            calling("roll_dice", sides="many"),
            "The arguments do not fit. sides: Input should be",
        ),
    ],
)
async def test_a_function_that_refuses_says_why(use: ToolUse, sentence: str) -> None:
    box = ToolBox([Functions(["roll_dice", "toss_coin"])])
    outcome = await box.run(use.name, use.arguments)
    assert outcome.is_error and outcome.output.startswith(sentence)


@pytest.mark.usefixtures("dice")
async def test_a_function_may_be_async_and_give_more_than_text() -> None:
    outcome = await ToolBox([Functions(["toss_coin"])]).run("toss_coin", '{"bet": "heads"}')
    assert json.loads(outcome.output)["result"] in ("won", "lost")


def test_a_function_that_nobody_offers_is_one_sentence() -> None:
    with pytest.raises(ConfigurationError, match="no installed package offers the tool 'juggle'"):
        Functions(["juggle"])


# ── HTTP ─────────────────────────────────────────────────────────────────────────────────────────


def endpoint(fake: FakeEndpoint, path: str, **more: Any) -> Json:
    return {"name": "ask", "description": "Asks.", "url": f"http://{fake.address}/{path}", **more}


async def test_an_endpoint_of_the_settings() -> None:
    parameters = {"properties": {"place": {"type": "string"}}, "required": ["place"]}
    async with FakeEndpoint() as weather:
        one = endpoint(
            weather,
            "weather/{place}?units=c",
            parameters=parameters,
            headers={"Authorization": f"Bearer {KEY}"},
        )
        async with asking(calling("ask", place="São Tomé", days=2), tools__http=[one]) as (fake, served):
            assert await told(fake, served) == "Sunny in São Tomé."
        (asked,) = weather.asked
    assert (asked.method, asked.query, asked.headers["authorization"]) == (
        "GET",
        "units=c&days=2",
        f"Bearer {KEY}",
    )
    assert offered(fake)["ask"]["parameters"] == {"type": "object", **parameters}


async def test_arguments_go_as_json_where_there_is_a_body() -> None:
    async with FakeEndpoint() as weather:
        source = HttpTools(
            [Endpoint("ask", "Asks.", f"http://{weather.address}/weather/Rome", "POST")], 100, 5
        )
        async with ToolBox([source]).running():
            assert (await ToolBox([source]).run("ask", '{"days": 2}')).output == "Sunny in Rome."
        assert weather.asked[0].json == {"days": 2}


@pytest.mark.parametrize(
    ("path", "arguments", "sentence"),
    [
        ("nowhere", "{}", "The service answered 404. no such place"),
        ("elsewhere", "{}", "The service sends elsewhere, and redirects are not followed."),
        ("weather/{place}", "{}", "The argument 'place' is missing."),
        ("weather/{place}", '{"place": ".."}', "The argument 'place' cannot be '..'."),
        ("hang", "{}", "The service did not answer in time."),
    ],
)
async def test_an_endpoint_that_fails(path: str, arguments: str, sentence: str) -> None:
    async with FakeEndpoint() as fake:
        source = HttpTools([Endpoint("ask", "Asks.", f"http://{fake.address}/{path}")], 1_000, 0.2)
        box = ToolBox([source])
        async with box.running():
            outcome = await box.run("ask", arguments)
    assert (outcome.output, outcome.is_error) == (sentence, True)
    assert not any(asked.path.startswith("/weather") for asked in fake.asked)


async def test_an_endpoint_that_nobody_serves() -> None:
    box = ToolBox([HttpTools([Endpoint("ask", "Asks.", f"http://127.0.0.1:{unused_port()}/")], 1_000, 5)])
    async with box.running():
        assert (await box.run("ask", "{}")).output == "The service cannot be reached."


async def test_of_an_endless_answer_only_the_beginning_is_read() -> None:
    async with FakeEndpoint() as fake:
        box = ToolBox(
            [HttpTools([Endpoint("ask", "Asks.", f"http://{fake.address}/long")], 20, 5)], most_bytes=20
        )
        async with box.running():
            outcome = await box.run("ask", "{}")
    assert outcome.output.splitlines()[0] == "word word word word "
    assert outcome.output.splitlines()[1].startswith("[cut")


# ── MCP ──────────────────────────────────────────────────────────────────────────────────────────


def unused_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextmanager
def over_http(port: int, *token: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, str(MCP_SERVER), "http", str(port), *token])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@asynccontextmanager
async def connected(address: McpAddress, *, refresh_s: float = 30.0) -> AsyncIterator[ToolBox]:
    """Tools of a server that was reached."""
    box = ToolBox([McpServer(address, refresh_s)])
    async with box.running():
        await eventually(lambda: bool(box.offered_to(Caller())))
        yield box


def at(port: int, **headers: str) -> McpAddress:
    return McpAddress("demo", url=f"http://127.0.0.1:{port}/mcp", headers=headers)


AT_STDIO = McpAddress("demo", STDIO["command"], tuple(STDIO["args"]), {"DEMO_SECRET": "swordfish"})


async def test_a_server_that_is_started() -> None:
    use = calling("demo_add", first=2, second=3)
    async with asking(use, tools__mcp=[STDIO]) as (fake, served):
        tools = served.server.tools
        await eventually(lambda: bool(tools.offered_to(Caller())))
        assert await told(fake, served) == "5"
    assert {"demo_add", "demo_say_it_loud"} < set(offered(fake))
    assert offered(fake)["demo_add"]["description"] == "Add two numbers."
    assert offered(fake)["demo_add"]["parameters"]["required"] == ["first", "second"]


async def test_a_server_over_http_that_asks_for_a_key() -> None:
    port = unused_port()
    one = {
        "name": "demo",
        "url": f"http://127.0.0.1:{port}/mcp",
        "headers": {"Authorization": f"Bearer {KEY}"},
    }
    with over_http(port, KEY):
        async with asking(calling("demo_say_it_loud", words="hey"), tools__mcp=[one]) as (fake, served):
            await eventually(lambda: bool(served.server.tools.offered_to(Caller())))
            assert await told(fake, served) == "HEY"


async def test_a_command_inherits_no_secrets_but_those_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_SERVER_DEMO", "sesame")
    async with connected(AT_STDIO) as box:
        assert (await box.run("demo_secret", "{}")).output == "swordfish None"


async def test_what_a_server_refuses_is_told() -> None:
    async with connected(AT_STDIO) as box:
        refused = await box.run("demo_refuse", "{}")
        assert refused.is_error and "not today" in refused.output
        assert (await box.run("demo_add", '{"first": "x"}')).is_error
        assert (await box.run("demo_juggle", "{}")).output == "The tool is out of reach just now."


async def test_a_call_that_hangs_is_left_after_its_time_and_the_others_work() -> None:
    settings = {"tools__mcp": [STDIO], "deadlines__tool_s": 0.5}
    async with asking(calling("demo_hang"), **settings) as (fake, served):
        tools = served.server.tools
        await eventually(lambda: bool(tools.offered_to(Caller())))
        assert json.loads(await told(fake, served)) == {"error": "The tool did not answer in time."}
        assert (await tools.run("demo_add", '{"first": 1, "second": 1}')).output == "2"


async def test_a_started_server_that_dies_is_told_and_started_again() -> None:
    async with connected(AT_STDIO) as box:
        assert (await box.run("demo_die", "{}")).is_error
        await eventually(lambda: not box.offered_to(Caller()))
        await eventually(lambda: bool(box.offered_to(Caller())))
        assert (await box.run("demo_add", '{"first": 1, "second": 1}')).output == "2"


async def test_a_server_over_http_that_dies_comes_back() -> None:
    """It is missed though nobody calls it, and found again."""
    port = unused_port()
    with over_http(port) as process:
        async with connected(at(port), refresh_s=0.2) as box:
            process.kill()
            process.wait()
            await eventually(lambda: not box.offered_to(Caller()))
            with over_http(port):
                await eventually(lambda: bool(box.offered_to(Caller())))
                assert (await box.run("demo_add", '{"first": 1, "second": 1}')).output == "2"


async def test_a_server_that_cannot_be_started_is_not_missed() -> None:
    """The turn goes on without its tools, and the server ends in order."""
    one = {"name": "demo", "command": "no-such-command-here"}
    async with FakeOpenAi(Script(words=("Here.",))) as fake:
        async with served_by(fake, tools__mcp=[one]) as served, VoiceClient.connect(served.url) as client:
            await client.send_text("Hello", audio=False)
            assert (await client.turn()).reply == "Here."
        assert "tools" not in fake.seen.calls[0].raw


def test_only_who_names_a_tool_pays_for_it() -> None:
    """Neither the library of a protocol nor an HTTP client is imported by a server without tools."""
    program = (
        "import sys\nfrom voice_server import app\nfrom voice_server.settings import Settings\n"
        "app.load_tools(Settings())\n"
        "print([name for name in ('mcp', 'httpx', 'httpx2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
