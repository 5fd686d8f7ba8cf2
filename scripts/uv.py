"""`pip install`, done by uv, which is several times as fast: with pip's arguments and settings.

uv does not read pip's settings, so pip tells what it would do with them: which indexes, which
certificates. What UV_* variables say goes before. Ends as uv does.
"""

import os
import sys
from pathlib import Path

from pip._internal.commands import create_command  # private, but the only one who knows them all

BIN = Path(sys.executable).parent
pip, packages = create_command("install").parse_args(sys.argv[1:])
told = {
    "UV_DEFAULT_INDEX": pip.index_url,
    "UV_INDEX": " ".join(pip.extra_index_urls),
    "UV_FIND_LINKS": ",".join(pip.find_links),
    "UV_INSECURE_HOST": " ".join(pip.trusted_hosts),
    "UV_HTTP_TIMEOUT": f"{pip.timeout:.0f}",
    "UV_INDEX_STRATEGY": "unsafe-best-match",  # as pip: the best version that any index has
    "UV_SYSTEM_CERTS": "1",
    "SSL_CERT_FILE": pip.cert,
    "SSL_CLIENT_CERT": pip.client_cert,
    "HTTP_PROXY": pip.proxy,
    "HTTPS_PROXY": pip.proxy,
    "UV_CACHE_DIR": f"{BIN.parent}/.uv-cache",  # on the disk of .venv: packages are linked from it
}
own = {name: value for name, value in os.environ.items() if name.startswith("UV_")}
command = [f"{BIN}/uv", "pip", "install", "--python", sys.executable]
command += [] if sys.stderr.isatty() else ["--quiet"]
command += ["--no-index"] if pip.no_index else []
command += [f"--constraint={path}" for path in pip.constraints]
command += [f"--editable={path}" for path in pip.editables]
os.execve(
    command[0],
    [*command, *packages],
    os.environ | {name: value for name, value in told.items() if value} | own,
)
