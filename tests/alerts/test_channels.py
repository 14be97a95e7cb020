"""What a channel is sent: mail, as a real SMTP server takes it."""

import email
import email.policy
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from abkit.alerts.channels import Channel
from abkit.alerts.messages import Message, Tone
from abkit.config import ChannelSettings

BODY = "NEW · warning · Import <b>feed</b>\nCause: the file <b>a&b.csv</b> is empty.\n\nEvidence: abkit alerts show 1"


class _Mailbox(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self) -> None:
        self.mails: list[bytes] = []
        super().__init__(("127.0.0.1", 0), _Smtp)


class _Smtp(socketserver.StreamRequestHandler):
    """As much of SMTP as it takes to receive a mail."""

    server: _Mailbox

    def handle(self) -> None:
        self._say("220 mail")
        while line := self.rfile.readline().strip():
            if line.upper() == b"DATA":
                self._say("354 go on")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.mails.append(b"".join(lines))
            self._say("221 bye" if line.upper() == b"QUIT" else "250 ok")

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")


@pytest.fixture
def mailbox() -> Iterator[_Mailbox]:
    server = _Mailbox()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("wanted", ["", "&format=html"])
def test_a_mail_keeps_its_lines_and_a_file_name_is_no_markup(
    mailbox: _Mailbox, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    port = mailbox.server_address[1]
    monkeypatch.setenv("MAIL", f"mailto://127.0.0.1:{port}?from=abkit@a.example&to=ops@a.example&mode=insecure{wanted}")
    channel = Channel(ChannelSettings(name="mail", url_env="MAIL"), Path(), timeout_s=10)
    channel.send(Message("[abkit] NEW: Import failed", BODY, Tone.WARNING))

    (raw,) = mailbox.mails
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert mail["Subject"] == "[abkit] NEW: Import failed"
    plain = mail.get_body(["plain"])
    assert plain is not None
    assert [line.strip() for line in plain.get_content().strip().splitlines()] == BODY.splitlines()
    html = mail.get_body(["html"])
    assert (html is not None) == bool(wanted)
    if html is not None:
        assert "<b>" not in html.get_content()
        assert html.get_content().count("<br") >= 3


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("mailtos://smtp.example.com?user=ana&pass=12;34&to=ops@example.com", "write that ; as %3B"),
        ("mailtos://smtp.example.com?user=ana&pass=12&34&to=ops@example.com", "write that & as %26"),
        ("mailtos://ana:p@ss@smtp.example.com?to=ops@example.com", "write that @ as %40"),
        ("mailtos://ana:p/ss@smtp.example.com?to=ops@example.com", "write that / as %2F"),
        ("mailtos://ana:p#ss@smtp.example.com?to=ops@example.com", "write that # as %23"),
        ("mailtos://ana:p?ss@smtp.example.com?to=ops@example.com", "write that ? as %3F"),
        ("mailtos://ana:p:ss@smtp.example.com?to=ops@example.com", "write that : as %3A"),
        ("json://ana:12;34@example.com/in?-token=a;b", "write that ; as %3B"),
        ("mailtos://ana%40a.com:p%40%3B%26ss@smtp.example.com?to=ops@example.com", ""),
        ("mailtos://smtp.example.com?user=ana@a.com&pass=1%3B2&to=ops@example.com", ""),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general", ""),
        ("tgram://123456789:abcdefg_hijklmnop/12315544/", ""),
    ],
)
def test_a_sign_that_would_cut_a_password_is_named_with_its_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str, said: str
) -> None:
    monkeypatch.setenv("ADDRESS", address)
    problem = Channel(ChannelSettings(name="ops", url_env="ADDRESS"), tmp_path, 5).problem()
    assert problem.endswith(said) if said else problem == ""
    assert "smtp" not in problem
    assert "ss" not in problem.replace("address", "").replace("password", "")
