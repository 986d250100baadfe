"""What the server is told: one origin, a new token each time, and nothing of the reader's own Jupyter configuration."""

from __future__ import annotations

import json
import logging
import os
import secrets
from pathlib import Path

from traitlets.config import Config

from book.server.kernels import PromptConnection
from sandboxes.lifecycle import MARK, owner

ADDRESS = "127.0.0.1"
IDLE_KERNEL_S = 1200
"""A kernel that no page is connected to and that does nothing is shut down after this; its sandboxes go with it."""

LAB_SETTINGS = {
    "@jupyterlab/docmanager-extension:plugin": {
        "defaultViewers": {"markdown": "Jupytext Notebook", "myst": "Jupytext Notebook"}
    },
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
}
LAB_LEAVES_OUT = {
    "disabledExtensions": {
        f"@jupyterlab/{name}": True
        for name in (
            "extensionmanager-extension",
            "terminal-extension",
            "lsp-extension",
            "fileeditor-extension:language-server",
            "notebook-extension:language-server",
        )
    }
}


def isolate(folder: Path) -> None:
    """Point Jupyter at folders of ours, and give the kernels our mark: should this process be killed, they go too."""
    os.environ.update(
        JUPYTER_CONFIG_DIR=str(folder / "config"),
        JUPYTER_DATA_DIR=str(folder / "data"),
        JUPYTER_RUNTIME_DIR=str(folder / "run"),
        JUPYTER_PREFER_ENV_PATH="1",
        IPYTHONDIR=str(folder / "ipython"),
        PYDEVD_DISABLE_FILE_VALIDATION="1",
    )
    os.environ[MARK] = owner().id
    lab = folder / "config" / "labconfig"
    lab.mkdir(parents=True)
    (lab / "default_setting_overrides.json").write_text(json.dumps(LAB_SETTINGS))
    (lab / "page_config.json").write_text(json.dumps(LAB_LEAVES_OUT))


def settings_for(html: Path, root: Path, port: int, open_browser: bool) -> Config:
    settings = Config()
    settings.Application.log_level = logging.ERROR
    settings.BookApp.html = str(html)
    app = settings.ServerApp
    app.jpserver_extensions = {"book.server.pages": True, "jupyterlab": True, "jupytext": True}
    app.contents_manager_class = "jupytext.TextFileContentsManager"
    app.ip, app.port, app.port_retries, app.root_dir = ADDRESS, port, 0, str(root)
    app.default_url, app.open_browser = "/book/", open_browser
    app.cookie_secret = secrets.token_bytes(32)  # a new one each time: an old cookie opens nothing
    app.allow_remote_access, app.allow_unauthenticated_access = False, False
    app.local_hostnames = ["localhost"]
    app.allow_root = os.geteuid() == 0
    app.terminals_enabled = False
    app.kernel_websocket_connection_class = PromptConnection
    settings.IdentityProvider.token = secrets.token_hex(24)
    settings.IdentityProvider.cookie_options = {"SameSite": "Lax"}
    settings.KernelManager.transport = "ipc"  # sockets in a folder of ours; tcp ports could be read by other users
    settings.KernelManager.shutdown_wait_time = 5.0
    settings.QuietKernel.log_file = str(html.parent / "kernels.log")
    kernels = settings.AsyncMappingKernelManager
    kernels.kernel_manager_class = "book.server.kernels.QuietKernel"
    kernels.cull_idle_timeout, kernels.cull_interval, kernels.cull_connected = IDLE_KERNEL_S, 60, False
    settings.LabApp.extension_manager = "readonly"
    settings.LabApp.expose_app_in_browser = False
    return settings
