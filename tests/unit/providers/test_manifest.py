import re

import pytest

from voice_server.errors import ModelFileError
from voice_server.providers.local.manifest import ModelFile, read_manifest, shipped_manifest

pytestmark = pytest.mark.unit

FILES = [(model.name, file) for model in shipped_manifest().values() for file in model.files]


def test_every_model_we_load_is_listed() -> None:
    wanted = {"whisper-tiny-en", "smollm2", "qwen-0.5b", "qwen-1.5b", "piper-joe"}
    assert wanted | {"silero-vad", "smart-turn", "minilm"} == set(shipped_manifest())


@pytest.mark.parametrize(("name", "file"), FILES, ids=[f"{name}/{file.name}" for name, file in FILES])
def test_the_parts_of_a_file_make_it(name: str, file: ModelFile) -> None:
    assert sum(part.size_bytes for part in file.parts) == file.size_bytes
    for sha256 in (file.sha256, *(part.sha256 for part in file.parts), *(p.wheel.sha256 for p in file.parts)):
        assert re.fullmatch("[0-9a-f]{64}", sha256)


def test_what_a_model_opens_is_one_of_its_files_or_its_folder() -> None:
    for model in shipped_manifest().values():
        assert model.opens in {".", *(file.name for file in model.files)}


@pytest.mark.parametrize("text", ["model = [", "", "[wheel]\n[model.x]\npurpose = 'p'"])
def test_a_broken_manifest_is_a_clear_error(text: str) -> None:
    with pytest.raises(ModelFileError, match="models.toml"):
        read_manifest(text)
