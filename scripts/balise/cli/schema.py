"""`balise schema`: JSON Schemas for editors."""

from __future__ import annotations

import argparse
import sys

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "schema"
HELP = "print the JSON Schema of a catalog's documents or of the ClusterServiceVersion, for editors"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("kind", choices=("catalog", "csv"), help="what the schema is for")


def run(args: argparse.Namespace) -> int:
    """Print the schema."""
    import json  # noqa: PLC0415 (only wanted here)

    from balise.model.json_schemas import catalog_schema, csv_schema  # noqa: PLC0415

    schema = catalog_schema() if args.kind == "catalog" else csv_schema()
    sys.stdout.write(json.dumps(schema, indent=2) + "\n")
    return 0
