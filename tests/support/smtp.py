"""A real mail server that keeps the mails it receives."""

from __future__ import annotations

import contextlib
import socketserver
import ssl
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path


class MailServer:
    """Speaks as much SMTP as a client needs. With a ``certificate`` (a PEM file with its key) it offers STARTTLS, or
    speaks TLS from the start. ``refuse`` is the reply to a login, such as ``535 5.7.8 wrong``."""

    def __init__(self, certificate: Path | None = None, at_once: bool = False, refuse: str | None = None) -> None:
        self.mails: list[EmailMessage] = []
        self.people: list[str] = []
        self.said: list[str] = []  # every command, as it came
        self.encrypted: list[bool] = []  # whether each command came over TLS
        outer, context = self, None
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)

        class Handler(socketserver.StreamRequestHandler):
            def finish(self) -> None:
                with contextlib.suppress(OSError, ValueError):
                    super().finish()
                self.connection.close()  # with TLS it is another object than the server's

            def handle(self) -> None:
                secure = False
                if context is not None and at_once:
                    self._secure(context)
                    secure = True
                self._reply("220 ready")
                while line := self.rfile.readline():
                    text = line.decode().strip()
                    outer.said.append(text)
                    outer.encrypted.append(secure)
                    word = text.partition(" ")[0].upper()
                    if word == "EHLO":
                        offers = ["127.0.0.1", "AUTH PLAIN"] + (
                            ["STARTTLS"] if context is not None and not secure else []
                        )
                        self._reply(*(f"250-{one}" for one in offers), "250 8BITMIME")
                    elif word == "STARTTLS" and context is not None:
                        self._reply("220 go on")
                        self._secure(context)
                        secure = True
                    elif word == "AUTH":
                        self._reply(refuse or "235 welcome")
                    elif word == "RCPT":
                        outer.people.append(text)
                        self._reply("250 ok")
                    elif word == "DATA":
                        self._reply("354 go on")
                        outer.mails.append(self._mail())
                        self._reply("250 ok")
                    elif word == "QUIT":
                        self._reply("221 bye")
                        return
                    else:
                        self._reply("250 ok")

            def _mail(self) -> EmailMessage:
                lines = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
                return message_from_bytes(b"".join(lines), policy=policy.default)  # type: ignore[return-value]

            def _secure(self, context: ssl.SSLContext) -> None:
                self.connection = context.wrap_socket(self.connection, server_side=True)
                self.rfile = self.connection.makefile("rb")
                self.wfile = self.connection.makefile("wb", 0)  # type: ignore[assignment]

            def _reply(self, *lines: str) -> None:
                self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
