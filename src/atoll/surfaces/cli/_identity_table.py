"""The commands about who may do what: invitations, logins, users, and keys of machines.

Doesn't know how they work.
"""

from __future__ import annotations

from atoll.surfaces.cli._command import CONTEXTS, FILES, FOLDERS, Argument, Command, Option

_ON = Option("--on", "NAME", "the context; the one in use when left out", completes=CONTEXTS)
_FEDERATION = Option("--federation", "NAME", "the federation; the context's own when left out")
_ROLES = ("administrator", "scientist", "site-owner", "auditor")
_WHY = Option("--why", "TEXT", "why, for the roster: everybody there can read it")
_LINK = Argument("LINK", "", "the invitation, between quotes: it is good once")
_HOME = Option("--home", "FOLDER", "where it keeps its key and what it needs", completes=FOLDERS)

IDENTITY = (
    Command(
        "invite", "invite a node, a user or a host: prints the one command that they paste",
        examples=(
            ("atoll invite node hospital-a --federation heart --ttl 15m", ""),
            ("atoll invite user ada@example.org --role scientist", ""),
            ("atoll invite node hospital-b --approve --owner bob", "you look at its key first; its owner is the user bob"),
        ),
        arguments=(Argument("KIND", "", "node, user or host", choices=("node", "user", "host")), Argument("NAME", "", "what to call them")),
        options=(
            _FEDERATION, Option("--role", "ROLE", "of a user: administrator, scientist, site-owner or auditor", choices=_ROLES),
            Option("--ttl", "TIME", "how long the invitation is good: 90s, 15m, 2h, 7d; 15m when left out"),
            Option("--approve", help="whoever takes it up waits until you have approved their key"),
            Option("--owner", "USER", "of a node: the site-owner whose it is"), _ON,
        ),
        notes="The link holds the invitation's secret: whoever has it first can join in that name, once.",
    ),
    Command(
        "login", "enrol yourself: with a link, at the coordinator's issuer, or with a code that an administrator approves",
        examples=(
            ("atoll login 'atoll://...'", "with an invitation"),
            ("atoll login https://fl.example.org", "prints a code; an administrator does: atoll user approve CODE --role scientist"),
        ),
        arguments=(Argument("WHERE", "?", "a link, or a coordinator's URL; that of the context in use when left out"),),
        options=(
            Option("--federation", "NAME", "without a link: which federation to join; `default` when left out"),
            Option("--name", "NAME", "without a link: what to call you; your login's name when left out"),
            Option("--ca", "FILE", "without a link: the certificate to trust, as PEM", completes=FILES),
            Option("--context", "NAME", "what to call it here; by its federation or coordinator when left out"),
            Option("--code", help="without a link: with a code, though the coordinator has an issuer"),
            Option("--new-key", help="make a new key, for one that was revoked or lost"),
        ),
        notes="Your key is made on this machine and stays here. If an answer is lost, the same command goes on with the same key.",
    ),
    Command("whoami", "show who you are to a coordinator", module="login", examples=(("atoll whoami", ""), ("atoll whoami --on hospitals", "")), options=(_ON,)),
    Command(
        "user ls", "list users, invitations, and who asks to be let in", examples=(("atoll user ls", ""), ("atoll user ls --all", "machines, too")),
        options=(Option("--all", help="nodes and hosts, too"), _FEDERATION, _ON),
    ),
    Command(
        "user grant", "give a user another role", examples=(("atoll user grant ada@example.org administrator", ""),),
        arguments=(Argument("NAME", "", "the user"), Argument("ROLE", "", "the role", choices=_ROLES)), options=(_FEDERATION, _ON),
    ),
    Command(
        "user approve", "let somebody in who told you their code, whom the issuer vouches for, who waits, or was away for too long",
        examples=(("atoll user approve ABCD-2345 --role scientist", ""), ("atoll user approve ada@example.org", "")),
        arguments=(Argument("NAME", "", "a code, or a user's name"),),
        options=(
            Option("--role", "ROLE", "of whoever logs in with a code, or at the issuer", choices=_ROLES),
            Option("--called", "NAME", "with a code: what to call them, instead of what they say"), _FEDERATION, _ON,
        ),
    ),
    Command(
        "user revoke", "take a user off the roster, or an invitation back", examples=(("atoll user revoke ada@example.org", ""),),
        arguments=(Argument("NAME", "", "the user"),),
        options=(_WHY, Option("--with-invited", help="and all whom they have invited"), _FEDERATION, _ON),
        notes="It acts at once, and for good: to come back, they need a new key and a new invitation.",
    ),
    Command(
        "node join", "take up a node's invitation, on its own machine", module="join",
        examples=(("atoll node join 'atoll://...' --data train=/data/mri.npz", ""),), arguments=(_LINK,),
        options=(
            _HOME, Option("--data", "NAME=SOURCE", "its data, as for `node start`, which then needs no --data; can be given more than once", kind="many"),
        ),
        notes="Its key is made here and stays here. If an answer is lost, the same command goes on with the same key.",
    ),
    Command(
        "node approve", "let a node or a host in that waits, or was away for too long", module="machine",
        examples=(("atoll node approve hospital-a", ""),), arguments=(Argument("NAME", "", "the node or host"),), options=(_FEDERATION, _ON),
    ),
    Command(
        "node revoke", "take a node or a host off the roster, or an invitation back", module="machine",
        examples=(("atoll node revoke hospital-a --why 'its disk was stolen'", ""),), arguments=(Argument("NAME", "", "the node or host"),),
        options=(_WHY, _FEDERATION, _ON),
        notes="It acts at once, and for good: to come back, it needs a new key and a new invitation.",
    ),
    Command(
        "node rotate", "give a node or a host a new key, on its own machine", module="machine",
        examples=(("atoll node rotate --home /srv/node", ""),), options=(_HOME,),
    ),
    Command(
        "host join", "take up a host's invitation, on its own machine", module="join",
        examples=(("atoll host join 'atoll://...'", ""),), arguments=(_LINK,), options=(_HOME,),
    ),
)  # fmt: skip
