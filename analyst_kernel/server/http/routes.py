"""Every address of the extension, below the server's base URL."""

from __future__ import annotations

from analyst_kernel.server.http.analyses import (
    AnalysesHandler,
    AnalysisHandler,
    BranchHandler,
    CompletionsHandler,
    ExportHandler,
)
from analyst_kernel.server.http.data import DatasetsHandler, StatusHandler, UploadHandler
from analyst_kernel.server.http.models import KeyHandler, ModelsHandler
from analyst_kernel.server.http.websocket import SocketHandler

_ID = r"([0-9A-Za-z_-]{1,64})"

ROUTES: tuple[tuple[str, type], ...] = (
    (r"analyst-kernel/socket", SocketHandler),
    (r"analyst-kernel/api/status", StatusHandler),
    (r"analyst-kernel/api/analyses", AnalysesHandler),
    (rf"analyst-kernel/api/analyses/{_ID}", AnalysisHandler),
    (rf"analyst-kernel/api/analyses/{_ID}/branch", BranchHandler),
    (rf"analyst-kernel/api/analyses/{_ID}/export", ExportHandler),
    (rf"analyst-kernel/api/analyses/{_ID}/completions", CompletionsHandler),
    (r"analyst-kernel/api/datasets", DatasetsHandler),
    (r"analyst-kernel/api/upload", UploadHandler),
    (r"analyst-kernel/api/models", ModelsHandler),
    (r"analyst-kernel/api/models/key", KeyHandler),
)
