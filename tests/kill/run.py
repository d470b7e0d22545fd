"""Runs the app in `app/`, or goes on with it; a process of its own, to be killed."""

import sys
from pathlib import Path

from atoll.app import Watch, read_project
from atoll.journal import SqliteJournal
from atoll.runtime import of_project


class Silent(Watch):
    """Shows nothing."""


def main(home: str, save: str, workers: str) -> None:
    project = read_project(Path(__file__).parent / "app")
    simulation = of_project(project, save=save, workers=int(workers))
    journal = SqliteJournal(home)
    runs = journal.runs()
    run = runs[0].id if runs else simulation.create(journal, config=project.config, nodes=6, seed=11).id
    simulation.run(journal, run, watch=Silent())
    journal.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
