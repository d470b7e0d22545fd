"""The commands of a deployed federation: its daemons, its nodes, and where it is.

Doesn't know how they work.
"""

from __future__ import annotations

from atoll.surfaces.cli._command import CONTEXTS, FILES, FOLDERS, Argument, Command, Option

_ON = Option("--on", "NAME", "the context; the one in use when left out", completes=CONTEXTS)
_FEDERATION = Argument("FEDERATION", "", "its name")
_NODE = Argument("NODE", "", "the node's name")
_HOME = Option("--home", "FOLDER", "where it keeps what it needs", completes=FOLDERS)
_DIALS = (
    Option("--coordinator", "URL", "the coordinator; the context in use when left out"),
    Option("--token-file", "FILE", "a file with its token; not needed on the coordinator's machine", completes=FILES),
    Option("--ca", "FILE", "the certificate to trust, as PEM", completes=FILES),
)  # fmt: skip
_SLOTS = Option("--slots", "N", "how many tasks it takes at a time", kind="number")

SERVICE = (
    Command(
        "up", "start a federation on this machine: coordinator, host and nodes",
        examples=(("atoll up", ""), ("atoll up --nodes 5", "")),
        options=(
            Option("-n --nodes", "N", "how many nodes; 3 when left out", kind="number"),
            Option("--port", "N", "the coordinator's port; any free one when left out", kind="number"),
        ),
        notes="Its nodes stand in for simulated ones: each has its part of the app's own data, [tool.atoll.simulation] data.\n"
        "It goes on in the background: `atoll run --on local` runs an app on it, `atoll down` ends it. A second `up` starts what is missing.",
    ),
    Command("down", "end the federation that `atoll up` started", module="up", examples=(("atoll down", ""),),
            options=(Option("--rm", help="delete its runs and all that it kept, too"),)),
    Command(
        "coordinator start", "run a coordinator, in the foreground",
        examples=(
            ("atoll coordinator start", "on this machine: loopback, nothing to configure"),
            ("atoll coordinator start --public-url https://fl.example.org --host 0.0.0.0 --port 443", "for others; prints the first administrator's link"),
        ),
        options=(
            Option("--host", "ADDRESS", "the address to listen on; 127.0.0.1 when left out"),
            Option("--port", "N", "the port; 8765 when left out", kind="number"), _HOME,
            Option("--tls-cert", "FILE", "its certificate, as PEM; self-made when it listens beyond this machine", completes=FILES),
            Option("--tls-key", "FILE", "the certificate's key, as PEM", completes=FILES),
            Option("--tls", help="TLS on loopback, too"),
            Option("--no-host", help="don't run server apps here; `atoll host start` does, elsewhere"),
            Option("--public-url", "URL", "how others reach it: everybody then has a key of their own, and enrols"),
            Option("--oidc-issuer", "URL", "who vouches for users' e-mail addresses: an OpenID Connect issuer with the device flow"),
            Option("--oidc-client", "ID", "what the coordinator is called there"),
            Option("--oidc-audience", "ID", "whom its tokens are for; the client when left out"),
        ),
        notes="SIGTERM lets it finish what it is answering. Killed, it goes on where it was when started again.",
    ),
    Command(
        "coordinator backup", "write all that a coordinator keeps into one file; it may be running",
        examples=(("atoll coordinator backup -o coordinator.tar", ""),),
        options=(Option("-o --output", "FILE", "where to", completes=FILES), _HOME),
    ),
    Command(
        "coordinator restore", "make a coordinator's home from a backup",
        examples=(("atoll coordinator restore coordinator.tar --home /srv/atoll", ""),),
        arguments=(Argument("FILE", "", "what `backup` wrote", completes=FILES),), options=(_HOME,),
    ),
    Command(
        "node start", "run a node beside its data, in the foreground",
        examples=(
            ("atoll node start --name hospital-a --data train=/data/mri.npz", "on the coordinator's machine"),
            ("atoll node start --coordinator https://fl.example.org --token-file token --name hospital-a"
             " --data train=/data/mri --config beds=120", ""),
        ),
        options=(
            *_DIALS, Option("--name", "NAME", "what to call it; this machine's name when left out"),
            Option("--data", "NAME=SOURCE", "a data set: .npz, .csv, .parquet or .safetensors file, a folder, or package.module:function;"
                   " can be given more than once; `simulated` alone: its part of the app's own", kind="many"),
            Option("--config", "KEY=VALUE", "a value of ctx.site; can be given more than once", kind="many"),
            Option("--tell", "WHAT", "what runs learn of the data that they open: names (the default), rows, or fingerprints as well",
                   choices=("names", "rows", "fingerprints")),
            _SLOTS, Option("--cpus", "N", "processors that its tasks may use", kind="number"),
            Option("--gpus", "N", "and GPUs", kind="number"), Option("--memory", "SIZE", "and memory: 16GB"),
            Option("--label", "KEY=VALUE", "something to know the node by; can be given more than once", kind="many"), _HOME,
            Option("--environments", "HOW", "an app's packages: those already here, or as its lock says, built by uv", choices=("here", "uv")),
            Option("--wheelhouse", "FOLDER", "where uv finds them, and nowhere else", completes=FOLDERS),
            Option("--index", "URL", "the package index that uv asks"),
        ),
        notes="It never listens: it dials out, through HTTPS_PROXY if set. SIGTERM ends it; started again, it goes on with what it had.",
    ),
    Command("node ls", "list the nodes", examples=(("atoll node ls", ""), ("atoll node ls --on hospitals --json", "")), options=(_ON,)),
    Command(
        "host start", "run server apps for a coordinator, in the foreground",
        examples=(("atoll host start --coordinator https://fl.example.org --token-file token", ""),),
        options=(*_DIALS, Option("--name", "NAME", "what to call it; this machine's name when left out"), _SLOTS, _HOME),
    ),
    Command("federation ls", "list the federations", examples=(("atoll federation ls", ""),), options=(_ON,)),
    Command(
        "federation create", "make a federation", examples=(("atoll federation create heart", ""), ("atoll federation create lab --open", "")),
        arguments=(_FEDERATION,), options=(Option("--open", help="every node that comes is in it"), _ON),
    ),
    Command("federation show", "show a federation and its nodes", examples=(("atoll federation show heart", ""),),
            arguments=(_FEDERATION,), options=(_ON,)),
    Command("federation add-node", "put a node into a federation", examples=(("atoll federation add-node heart hospital-a", ""),),
            arguments=(_FEDERATION, _NODE), options=(_ON,)),
    Command("federation remove-node", "take a node out of a federation", examples=(("atoll federation remove-node heart hospital-a", ""),),
            arguments=(_FEDERATION, _NODE), options=(_ON,)),
    Command(
        "federation limit", "limit what a federation or its users may have; without a limit, show what there is", module="limits",
        examples=(("atoll federation limit heart --runs 5 --bytes 500GB --hours 1000", ""),
                  ("atoll federation limit heart --each-user --runs 2", ""), ("atoll federation limit heart --runs none", "no limit any more"),
                  ("atoll federation limit heart", "what is allowed, and what is used")),
        arguments=(_FEDERATION,),
        options=(
            Option("--runs", "N", "runs at a time"), Option("--bytes", "SIZE", "stored for it: 500GB"),
            Option("--hours", "N", "node-hours a month"), Option("--user", "NAME", "for one user, not the whole federation"),
            Option("--each-user", help="for every user, each for themselves"), _ON,
        ),
        notes="What is going on goes on: a limit refuses a run that is begun or resumed, and bytes that are sent. `none` lifts one.",
    ),
    Command(
        "context add", "remember where a federation is, by a name",
        examples=(("atoll context add hospitals https://fl.example.org --token-file token --federation heart", ""),),
        arguments=(Argument("NAME", "", "what to call it"), Argument("URL", "", "where the coordinator is")),
        options=(
            Option("--federation", "NAME", "the federation there; `default` when left out"),
            *_DIALS[1:],
            Option("--use", help="and use it from now on"),
        ),
    ),
    Command(
        "context use", "choose where commands go from now on",
        examples=(("atoll context use hospitals", ""), ("atoll context use simulation", "this machine again")),
        arguments=(Argument("NAME", "", "a context, `local`, or `simulation`", completes=CONTEXTS),),
        notes="ATOLL_CONTEXT overrides it for a shell, --on for one command.",
    ),
    Command("context ls", "list the contexts", examples=(("atoll context ls", ""),)),
)  # fmt: skip
