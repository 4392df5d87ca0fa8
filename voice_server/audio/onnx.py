"""How models run here: one session each, shared by all, on one thread of the caller's."""

from pathlib import Path

import onnxruntime

from voice_server.errors import ModelFileError

__all__ = ["open_model"]


def open_model(path: Path) -> onnxruntime.InferenceSession:
    """Load an ONNX file. The session may be called from any thread.

    Raises:
        ModelFileError: the file is missing or damaged.
    """
    options = onnxruntime.SessionOptions()
    # These models are small: a second thread costs more in waking than it saves in computing.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except FileNotFoundError as error:
        raise ModelFileError(
            f"The model file {path} is missing; fetch it with 'voice-server models pull'."
        ) from error
    except Exception as error:  # onnxruntime's errors have no common base of their own
        raise ModelFileError(
            f"The model file {path} cannot be loaded;"
            " delete it and fetch it again with 'voice-server models pull'."
        ) from error
