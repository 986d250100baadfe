"""How kernels are started and spoken to: quietly, and without delay."""

from __future__ import annotations

from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.services.kernels.kernelmanager import ServerKernelManager
from traitlets import Unicode


class PromptConnection(ZMQChannelsWebsocketConnection):
    """Kernel messages leave at once: Nagle's algorithm and delayed ACKs (RFC 9293, 3.7.4) cost 40 ms a round trip."""

    def connect(self) -> Any:
        self.websocket_handler.set_nodelay(True)
        return super().connect()


class QuietKernel(ServerKernelManager):
    """A kernel whose own log goes to a file and not to the reader's terminal; what cells print is not affected."""

    log_file = Unicode(help="where kernels write their log").tag(config=True)

    async def _async_launch_kernel(self, kernel_cmd: list[str], **options: Any) -> None:
        with open(self.log_file, "ab") as log:
            await super()._async_launch_kernel(kernel_cmd, **{**options, "stdout": log, "stderr": log})
