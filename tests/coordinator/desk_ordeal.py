"""A whole small federation in one process, to be killed anywhere and begun again: `python desk_ordeal.py HOME`.

Nodes keep their answers on disk before they send them, and perform nothing twice; the program replays its journal.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parent))

from desk_world import FakeNode, FakeProgram, World, good

from atoll.journal import Committed
from atoll.service.coordinator._refusals import Refusal
from atoll.store import DirectoryStore
from atoll.wire import Answer, Bad, Offer

ROUNDS, NODES, RUN = 3, ("a", "b"), "ordeal"


class OrdealNode(FakeNode):
    """Never performs a call twice, however often it is killed."""

    @property
    def outbox(self) -> Path:
        return self.world.home / f"outbox-{self.name}"

    async def begin(self) -> None:
        self.outbox.mkdir(exist_ok=True)
        await self.hello()
        for path in sorted(self.outbox.iterdir()):
            await self.send(msgspec.json.decode(path.read_bytes(), type=Answer))

    async def serve(self) -> None:
        while True:
            for offer in (await self.poll(wait=5)).offers:
                await self.perform(offer)

    async def perform(self, offer: Offer) -> None:
        path = self.outbox / offer.key
        assert not path.exists(), f"{offer.key} is performed twice"
        self.hand.pop(f"{offer.run}/{offer.key}", None)
        failing = offer.ordinal == 1 and self.name == "b"
        big = self.world.keep(offer.key.encode())
        outcome = (
            Bad(failure="raised", message="as it should")
            if failing
            else good(offer.key, changed=True, objects={big: len(offer.key)})
        )
        part = self.world.home / f"part-{self.name}"
        part.write_bytes(msgspec.json.encode(self.answer(offer, outcome)))
        part.rename(path)
        await self.send(self.answer(offer, outcome))

    async def send(self, answer: Answer) -> None:
        verdict = await self.world.desk.reply(msgspec.structs.replace(answer, session=self.session))
        assert verdict.status != "refused", verdict
        self.unsent.pop(f"{answer.run}/{answer.key}", None)


async def drive(world: World) -> None:
    program = FakeProgram(world, RUN)
    await program.attend()
    done = max((e.round for e in world.events(RUN, Committed)), default=0)
    await program.start()
    for round in range(done + 1, ROUNDS + 1):
        for ordinal in (0, 1):
            task = world.keep(f"task {round} {ordinal}".encode())
            keys = {f"{round}.{ordinal}.0.{n}" for n in NODES}
            await program.ask(
                *NODES, round=round, ordinal=ordinal, task=f"{round} {ordinal}", objects={task: 8}, wait=30
            )
            while not keys <= program.outcomes.keys():
                await program.say(wait=30)
        await program.commit(round, metrics={"sum": float(sum(map(len, program.outcomes)))})
        await asyncio.sleep(0.02)
    await world.desk.tidying.sweep(0)
    await program.finish()


async def play(home: Path) -> None:
    world = World(home, DirectoryStore(home / "objects"))
    await world.start()
    nodes = [OrdealNode(world, name) for name in NODES]
    for node in nodes:
        await node.begin()
    info = await world.new_run(RUN, id=RUN, nodes=list(NODES), where="here")
    serving = [asyncio.create_task(n.serve()) for n in nodes]
    if info.summary["status"] != "finished":
        driving = asyncio.create_task(drive(world))
        done, _ = await asyncio.wait([driving, *serving], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    for task in serving:
        task.cancel()
    await asyncio.gather(*serving, return_exceptions=True)
    await world.close()


def main(home: str) -> None:
    try:
        asyncio.run(asyncio.wait_for(play(Path(home)), 100))
    except Refusal as refusal:
        sys.exit(f"refused: {refusal.code}: {refusal}")


if __name__ == "__main__":
    main(*sys.argv[1:])
