"""Run by the Python of an environment with the public Zeebee client: use its REST calls, and tell what came.

python zeebee_rest_caller.py REST_URL API_KEY
"""

import json
import sys
from typing import Any
from urllib.parse import urlsplit

import requests
from zeebee_ai_client import ZeebeeClient
from zeebee_ai_client.exceptions import AuthenticationError

FIXED_HOST = "https://api.zeebee.ai"


def redirect(rest_url: str) -> None:
    """Some calls ignore `base_url`: their host is written into the client."""
    request = requests.Session.request

    def redirected(self: requests.Session, method: str, url: str, **options: Any) -> requests.Response:
        if url.startswith(FIXED_HOST):
            url = rest_url + url.removeprefix(FIXED_HOST)
        assert urlsplit(url).netloc == urlsplit(rest_url).netloc, url
        self.trust_env = False
        return request(self, method, url, **options)

    requests.Session.request = redirected  # type: ignore[method-assign,assignment]


def main(rest_url: str, key: str) -> None:
    redirect(rest_url)
    client = ZeebeeClient(api_key=key, base_url=rest_url)
    told: dict[str, Any] = {}

    told["chat"] = client.chat("Hello", system_prompt="Be brief.", stop_sequences=["%%"], metadata={"a": 1})
    conversation_id = told["chat"]["conversation_id"]
    told["stream"] = list(client.chat("And then?", conversation_id=conversation_id, stream=True))
    told["template"] = client.chat(
        "Hello", template_name="expert_assistant", template_variables={"field": "tea"}, layout="card-list"
    )
    told["cached"] = sorted(client.conversations)

    made = told["made"] = client.create_conversation(title="Mine", description="d", model="gpt-4o")
    told["listed"] = client.list_conversations(limit=5)
    told["added"] = client.add_message(made["id"], "A message", "user", {"n": 1})
    told["got"] = client.get_conversation(made["id"])
    told["updated"] = client.update_conversation(made["id"], title="Renamed")
    told["archived"] = client.archive_conversation(made["id"])
    told["archived_list"] = client.list_conversations(status="archived", order="asc")
    told["restored"] = client.restore_conversation(made["id"])
    told["exports"] = {
        form: client.export_conversation(conversation_id, format=form)
        for form in ("json", "markdown", "text")
    }
    told["feedback"] = client.submit_feedback(
        conversation_id, told["chat"]["message_id"], "thumbs_up", 1, comment="Great response!"
    )
    told["found"] = {
        "messages": client.search("Hello", search_type="messages"),
        "conversations": client.search("Hello"),
        "within": client.search_messages("Hello", conversation_id, limit=1),
    }
    spoken = client.text_to_speech("Good morning.")
    told["spoken_bytes"] = len(spoken["audio_bytes"])
    told["heard"] = client.speech_to_text(spoken["audio_bytes"])
    told["models"] = {kind: client.list_voice_models(kind) for kind in ("stt", "tts")}
    told["voices"] = client.list_voices(language_code="en-US")
    told["layouts"] = client.get_available_layouts()
    told["agents"] = client.get_available_agents()
    told["deleted"] = client.delete_conversation(made["id"])
    try:
        client.get_conversation(made["id"])
    except requests.HTTPError as error:
        told["gone"] = error.response.status_code if error.response is not None else None
    try:
        ZeebeeClient(api_key="sk-wrong", base_url=rest_url).chat("Hello")
    except AuthenticationError as error:
        told["refused"] = str(error)
    print(json.dumps(told))


main(*sys.argv[1:])
