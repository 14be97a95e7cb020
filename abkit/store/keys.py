"""Keys that people choose: what may name a campaign, an experiment or a study."""

import unicodedata

from abkit.errors import UsageError

LONGEST_KEY = 200
# Control characters, halves of characters, and separators of lines: they would move the cursor of a reader's terminal.
_REFUSED = ("Cc", "Cs", "Zl", "Zp")


def clean_key(key: str, of: str) -> str:
    """Return a key without spaces around it, its letters composed (NFC), as the KPI exports are read.

    Args:
        key: As it was given.
        of: What it names, for the message: "campaign".

    Raises:
        UsageError: It is empty, too long, or has control characters.

    >>> clean_key(" spring ", "campaign")
    'spring'
    """
    cleaned = unicodedata.normalize("NFC", key).strip()
    if not cleaned:
        raise UsageError(f"the name of the {of} is empty", hint=f"say which {of}, for example: spring")
    if len(cleaned) > LONGEST_KEY:
        raise UsageError(f"the name of the {of} has {len(cleaned):,} characters", hint=f"{LONGEST_KEY} at most")
    if any(unicodedata.category(char) in _REFUSED for char in cleaned):
        raise UsageError(
            f"the name of the {of} has control characters: {cleaned[:50]!r}", hint="use letters, digits, spaces, signs"
        )
    return cleaned


def is_text(key: str) -> bool:
    """Return whether a key is text that a database takes: no halves of characters, as in names that are not UTF-8.

    >>> is_text("sprîng"), is_text("\\udcff")
    (True, False)
    """
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in key
