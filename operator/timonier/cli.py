"""The `timonier` command: what the container runs."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from timonier.engine.errors import ConnectionSettingsError
from timonier.engine.logs import configure
from timonier.engine.metrics import distribution_version

__all__ = ["main"]

_MOST_WORKERS: Final = 1000
_LAST_PORT: Final = 65535

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit code: 0 after a signal to stop, 1 when the operator could not go on."""
    options = _parser().parse_args(arguments)
    if options.command == "version":
        print(distribution_version())
        return 0
    configure(options.log_level)
    return _run(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="timonier", description="Day-2 operations for containerised applications.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("version", help="print the version")
    run = commands.add_parser("run", help="run the operator until SIGTERM")
    environment = os.environ
    run.add_argument(
        "--kubeconfig",
        default=environment.get("KUBECONFIG") or None,
        metavar="FILE",
        help="how to reach the cluster (default: $KUBECONFIG, else the pod's service account, else ~/.kube/config)",
    )
    run.add_argument(
        "--namespace",
        default="",
        metavar="NAME",
        help="where its own lease lives (default: $OPERATOR_NAMESPACE, else the pod's)",
    )
    run.add_argument(
        "--watch-namespaces",
        default=environment.get("WATCH_NAMESPACE", ""),
        metavar="NAME,…",
        help="serve these namespaces only (default: $WATCH_NAMESPACE, else the whole cluster)",
    )
    run.add_argument(
        "--workers", type=_workers, default=16, metavar="N", help="reconciles at once (default: %(default)s)"
    )
    run.add_argument(
        "--health-address",
        type=_address,
        default=":8081",
        metavar="HOST:PORT",
        help="serve /livez and /readyz here; empty for nowhere (default: %(default)s)",
    )
    run.add_argument(
        "--metrics-address",
        type=_address,
        default="",
        metavar="HOST:PORT",
        help="serve /metrics in plain HTTP here, to whoever reaches it (default: nowhere; over TLS and to whom the API "
        "server lets, it is beside the webhooks)",
    )
    run.add_argument(
        "--webhook-address", default=":9443", metavar="HOST:PORT", help="serve webhooks here (default: %(default)s)"
    )
    run.add_argument(
        "--webhook-certificates",
        type=Path,
        default=Path("/tmp/k8s-webhook-server/serving-certs"),  # noqa: S108 - where OLM mounts them
        metavar="DIR",
        help="serve them with tls.crt and tls.key of this folder; without them, with a certificate of its own "
        "(default: %(default)s)",
    )
    run.add_argument(
        "--webhook-linger",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="go on serving them for so long after the signal to stop (default: %(default)s)",
    )
    run.add_argument(
        "--certificate-life",
        type=float,
        default=7 * 86400.0,
        metavar="SECONDS",
        help="how long a certificate of its own is good for (default: 7 days)",
    )
    run.add_argument(
        "--authority-life",
        type=float,
        default=365 * 86400.0,
        metavar="SECONDS",
        help="how long the authority that signs them is (default: 365 days)",
    )
    run.add_argument(
        "--mover-image",
        default=environment.get("RELATED_IMAGE_MOVER", ""),
        metavar="IMAGE",
        help="image that moves data between volumes and stores (default: $RELATED_IMAGE_MOVER, else this version's)",
    )
    run.add_argument(
        "--log-level",
        default="info",
        choices=["debug", "info", "warning", "error"],
        metavar="LEVEL",
        help="debug, info, warning or error (default: %(default)s)",
    )
    return parser


def _workers(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {_MOST_WORKERS}")
    return int(text)


def _address(text: str) -> str:
    _, colon, port = text.rpartition(":")
    if text and not (colon and port.isdecimal() and int(port) <= _LAST_PORT):
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT or :PORT, with a port up to {_LAST_PORT}")
    return text


def _run(arguments: argparse.Namespace) -> int:
    from timonier import process  # noqa: PLC0415 - `timonier version` must not load the whole operator
    from timonier.webhooks.certificates import Lives  # noqa: PLC0415

    options = process.Options(
        kubeconfig=arguments.kubeconfig,
        namespace=arguments.namespace,
        watch_namespaces=tuple(name.strip() for name in arguments.watch_namespaces.split(",") if name.strip()),
        workers=arguments.workers,
        health_address=arguments.health_address,
        metrics_address=arguments.metrics_address,
        webhook_address=arguments.webhook_address,
        webhook_certificates=arguments.webhook_certificates,
        webhook_linger=arguments.webhook_linger,
        lives=Lives(timedelta(seconds=arguments.authority_life), timedelta(seconds=arguments.certificate_life)),
        mover_image=arguments.mover_image,
    )
    try:
        import uvloop  # noqa: PLC0415 - absent on interpreters that it does not support

        uvloop.run(process.run(options))
    except BaseExceptionGroup as group:
        for error in _leaves(group):
            logger.critical("the operator cannot go on: %s: %s", type(error).__name__, error)
        return 1
    except (ConnectionSettingsError, OSError, ValueError) as error:
        logger.critical("the operator cannot start: %s", error)
        return 1
    return 0


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]


if __name__ == "__main__":
    sys.exit(main())
