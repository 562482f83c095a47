"""A wire that can be cut without either end being told."""

import socket
import threading
from contextlib import ExitStack, suppress
from types import TracebackType


class Proxy:
    """Passes on what comes to `port` of this machine, until it is cut."""

    def __init__(self, host: str, port: int) -> None:
        self._upstream = host, port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket | None]] = []
        self._threads: list[threading.Thread] = []
        self._passing = threading.Event()
        self._passing.set()

    def __enter__(self) -> "Proxy":
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Shut down first: that wakes the thread that waits for connections.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.mend()
        for thread in self._threads:
            thread.join(10)

    def cut(self) -> None:
        """Connections stay open, also new ones, and nothing passes."""
        self._passing.clear()

    def mend(self) -> None:
        """The connections there are end now; new ones pass again."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                if end is not None:
                    with suppress(OSError):
                        end.shutdown(socket.SHUT_RDWR)
        self._passing.set()

    def _start(self, act: object, *arguments: object) -> None:
        thread = threading.Thread(target=act, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, near)

    def _serve(self, near: socket.socket) -> None:
        with ExitStack() as stack:
            stack.enter_context(near)
            far = None
            if self._passing.is_set():
                try:
                    far = stack.enter_context(socket.create_connection(self._upstream, 5))
                except OSError:
                    return
                far.settimeout(None)
            with self._lock:
                self._pairs.append((near, far))
            if far is None:
                self._swallow(near)
                return
            back = threading.Thread(target=self._pump, args=(far, near), daemon=True)
            back.start()
            self._pump(near, far)
            back.join(10)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not self._passing.is_set():
                    self._swallow(source)
                    break
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _swallow(source: socket.socket) -> None:
        with suppress(OSError):
            while source.recv(65536):
                pass
