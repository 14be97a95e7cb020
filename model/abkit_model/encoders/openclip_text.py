"""The text tower of an OpenCLIP model: where a short text lies in the space that it shares with pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from abkit_model.encoders import libraries
from abkit_model.errors import EncoderUnavailable, TextRejected

#: Longer texts are refused before anything looks at them; every tower's own limit is far below.
MAX_CHARACTERS = 2000


class TextTower:
    """A tokenizer and a text tower. Nothing is downloaded: OpenCLIP brings the vocabulary of most models along.

    Raises:
        EncoderUnavailable: the tokenizer of this model is not at hand.
    """

    def __init__(self, model: Any, architecture: str) -> None:
        self._model = model
        self._architecture = architecture
        try:
            self._tokenizer = libraries.load("open_clip").get_tokenizer(architecture)
        except Exception as error:  # the tokenizers of other libraries raise whatever they raise
            raise EncoderUnavailable(
                f"the tokenizer of OpenCLIP's {architecture} is not on this machine: "
                f"{(str(error).splitlines() or [type(error).__name__])[0][:200]}",
                "take a model with OpenCLIP's own tokenizer, such as ViT-B-32 or ViT-L-14",
            ) from error

    def embed(self, text: str) -> NDArray[np.float32]:
        """Where a text lies: `(P,)`, of length 1.

        Raises:
            TextRejected: the text is empty, not readable, or longer than the tower reads. Nothing is cut off silently.
        """
        text = checked_text(text)
        tokens = self._tokenizer([text])
        most = tokens.shape[1]
        if (length := self._count(text)) > most:
            raise TextRejected(
                f"the brief has {length - 2} tokens, and {self._architecture} reads {most - 2} "
                f"(about {(most - 2) * 3 // 4} English words)",
                "say it in fewer words; what it cuts off would not count",
            )
        with torch.inference_mode():
            vector = self._model.encode_text(tokens, normalize=True)[0].float()
        return np.asarray(vector.numpy(), dtype=np.float32)

    def _count(self, text: str) -> int:
        """Tokens of a text with its beginning and its end, however many the tower reads."""
        # A token stands for at least one byte, and cleaning a text never makes it four times as long.
        row = self._tokenizer([text], context_length=4 * len(text.encode()) + 8)[0]
        return int((row != row[-1]).nonzero()[-1]) + 1


def checked_text(text: str) -> str:
    """A brief without the blanks around it.

    Raises:
        TextRejected: there is nothing in it, it is far too long, or no database would take its characters.

    >>> checked_text("  a beach at dawn ")
    'a beach at dawn'
    """
    text = text.strip()
    if not any(character.isalnum() for character in text):
        raise TextRejected("the brief is empty", "say in a few words what the picture should show")
    if len(text) > MAX_CHARACTERS:
        raise TextRejected(
            f"the brief has {len(text):,} characters, {MAX_CHARACTERS:,} are the most",
            "say in a few words what the picture should show",
        )
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise TextRejected("the brief is not readable as UTF-8 text", "check the encoding of the terminal or file")
    return text
