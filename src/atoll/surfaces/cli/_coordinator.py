"""`atoll coordinator`: run one, back it up, restore it.

Doesn't know what a coordinator does.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from atoll.surfaces._places import coordinator_home
from atoll.surfaces.cli._daemon import leave_signals_to_the_daemon
from atoll.surfaces.cli._output import Output
from atoll.surfaces.cli._words import count, size
from atoll.values import ConfigError

_PORT = 8765


def start(values: Namespace, out: Output) -> int:
    """Run a coordinator until it is told to end."""
    from atoll.service.coordinator import Settings, serve

    if bool(values.tls_cert) != bool(values.tls_key):
        raise ConfigError("cli.usage", "--tls-cert and --tls-key go together", "give both, or neither")
    folder = _home(values)
    settings = Settings(
        home=folder, host=values.host or "127.0.0.1", port=_PORT if values.port is None else values.port,
        tls_cert=values.tls_cert, tls_key=values.tls_key, tls=True if values.tls else None, embedded_host=not values.no_host,
        public_url=(values.public_url or "").rstrip("/"), oidc_issuer=values.oidc_issuer or "", oidc_client=values.oidc_client or "",
        oidc_audience=values.oidc_audience or "",
    )  # fmt: skip
    leave_signals_to_the_daemon()

    def ready(url: str) -> None:
        if settings.identified:
            _open(settings.public_url, url, folder, out)
            return
        out.document(
            "atoll.coordinator/1", {"url": url, "home": str(folder), "token_file": str(folder / "token")}
        )
        out.line(f"the coordinator listens at {out.paint(url, 'bold')}; ^C ends it")
        out.line(f"  its token    {folder / 'token'}")
        out.line(f"  a node       atoll node start --coordinator {url} --name NAME --data train=FILE")
        out.line(f"  remember it  atoll context add NAME {url}")

    serve(settings, ready=ready)
    return 0


def _open(public: str, url: str, folder: Path, out: Output) -> None:
    """What to do next with a coordinator that others come to: the first administrator's link is printed until it was taken."""
    first = folder / "first-administrator"
    link = first.read_text(encoding="ascii").strip() if first.exists() else ""
    told = {"url": public, "home": str(folder), "token_file": "", "link": link}
    out.document("atoll.coordinator/1", told)
    out.line(
        f"the coordinator listens at {url}, and others reach it at {out.paint(public, 'bold')}; ^C ends it"
    )
    if public.startswith("https:") and url.startswith("http:"):
        out.line(
            "  a proxy in front of it has to speak TLS; to speak it itself: --tls, or --tls-cert and --tls-key"
        )
    if link:
        out.line("Nobody is its administrator yet. Whoever pastes this first is, on a machine of theirs:")
        out.line()
        out.line(f"    atoll login '{link}'")
        out.line()
        out.line(f"  it lies in   {first}, until somebody has")
    else:
        out.line("  a node       atoll invite node NAME")
        out.line("  a user       atoll invite user NAME --role scientist")


def backup(values: Namespace, out: Output) -> int:
    """Write a backup."""
    from atoll.service.coordinator import backup as write

    folder, path = _home(values), Path(values.output or "coordinator-backup.tar").expanduser()
    write(folder, path)
    nbytes = path.stat().st_size
    out.document("atoll.backup/1", {"home": str(folder), "path": str(path.resolve()), "bytes": nbytes})
    out.line(f"{path}: {size(nbytes)}; it holds the coordinator's token and keys: keep it as you keep those")
    return 0


def restore(values: Namespace, out: Output) -> int:
    """Make a home from a backup."""
    from atoll.service.coordinator import restore as read

    folder = _home(values)
    runs = read(Path(values.file).expanduser(), folder)
    out.document("atoll.restore/1", {"home": str(folder), "runs": runs})
    out.line(f"{folder}: {count(runs, 'run')}")
    out.line(f"  start it     atoll coordinator start{f' --home {folder}' if values.home else ''}")
    return 0


def _home(values: Namespace) -> Path:
    return Path(values.home).expanduser().resolve() if values.home else coordinator_home().resolve()
