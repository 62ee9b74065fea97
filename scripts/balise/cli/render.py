"""`balise render`: a bundle as plain manifests, for clusters without OLM."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from balise.model.errors import InputError

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "render"
HELP = "turn a bundle into plain manifests, for clusters without the Operator Lifecycle Manager"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="the bundle's folder, which holds manifests/")
    parser.add_argument("-n", "--namespace", required=True, metavar="NAME", help="where the operator runs")
    parser.add_argument("--watch-namespace", action="append", default=[], metavar="NAME",
                        help="what it serves; may be repeated (default: the whole cluster, else its own)")  # fmt: skip
    parser.add_argument("--image", action="append", default=[], metavar="[OLD=]NEW",
                        help="run NEW instead of OLD, or instead of the only image; may be repeated")  # fmt: skip
    parser.add_argument("--create-namespace", action=argparse.BooleanOptionalAction, default=True,
                        help="put the Namespace first (default: yes)")  # fmt: skip
    parser.add_argument("--pod-security", default="restricted",
                        choices=["restricted", "baseline", "privileged", "none"],
                        help="the Pod Security level that the namespace enforces (default: %(default)s)")  # fmt: skip
    parser.add_argument("--certificates", default="", choices=["operator", "cert-manager"],
                        help="who makes the certificates of webhooks (default: what the bundle offers)")  # fmt: skip
    parser.add_argument("--webhook-url", default="", metavar="URL",
                        help="where the API server finds the webhooks of an operator beside the cluster")  # fmt: skip
    parser.add_argument("--network-policy", default="", choices=["api-server", "none"],
                        help="let the operator's pods talk to the API server and name servers alone, and be reached at "
                        "what they serve alone; or do not (default: what the bundle offers)")  # fmt: skip
    parser.add_argument("--api-server-port", action="append", type=_port, default=[], metavar="PORT",
                        help="where the API server itself listens; may be repeated (default: 443, 6443)")  # fmt: skip
    parser.add_argument("-o", "--output", default="-", metavar="DIR|-",
                        help="a folder for one file per object, or - for standard output (default)")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Render and print or write."""
    from balise.generate import manifests, writing  # noqa: PLC0415 (slow imports, only wanted here)
    from balise.render import bundle, installation, options  # noqa: PLC0415

    loaded = bundle.load(args.bundle)
    rendered = installation.render(
        loaded,
        options.Options(
            namespace=args.namespace,
            watch_namespaces=tuple(args.watch_namespace),
            images=_images(args.image, bundle.images(loaded)),
            create_namespace=args.create_namespace,
            pod_security="" if args.pod_security == "none" else args.pod_security,
            certificates=args.certificates,
            webhook_url=args.webhook_url,
            network_policy=args.network_policy,
            api_server_ports=tuple(args.api_server_port) or options.API_SERVER_PORTS,
        ),
    )
    if args.output == "-":
        sys.stdout.write(manifests.dump_all(rendered))
        return 0
    folder = Path(args.output)
    # The number keeps the order: kubectl apply -f DIR goes by file name.
    files = {
        f"{number:03}-{manifest['kind'].lower()}-{manifest['metadata']['name']}.yaml": manifests.dump(manifest)
        for number, manifest in enumerate(rendered, 1)
    }
    difference = writing.write(folder, files)
    for path in difference.foreign:
        sys.stderr.write(
            f"balise render: {folder / path} is not part of this bundle; kubectl apply -f would take it too\n"
        )
    sys.stdout.write(f"{len(files)} manifests in {folder}\n")
    return 0


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 65_536):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: expected a number from 1 to 65535")
    return int(text)


def _images(wanted: list[str], used: tuple[str, ...]) -> dict[str, str]:
    images: dict[str, str] = {}
    for argument in wanted:
        old, equals, new = argument.rpartition("=")
        if not equals:
            if len(used) != 1:
                raise InputError(
                    f"{argument}: the bundle runs several images", place="--image",
                    way_out=f"say which one: OLD={argument}, where OLD is one of {', '.join(used)}",
                )  # fmt: skip
            old = used[0]
        images[old] = new
    return images
