"""Simulated fleets: in-process, and a pool of processes.

Doesn't know what is computed, how it is protected, or how bytes move between machines.
"""

from atoll.runtime._child import Child
from atoll.runtime._draws import Constant, Exponential, LogNormal, Pareto, Uniform
from atoll.runtime._drive import attempt, drive
from atoll.runtime._inprocess import InProcess
from atoll.runtime._machine import machine, versions
from atoll.runtime._parts import Parts
from atoll.runtime._pipe import Mouth, Printed, end_line, receive, send, taken_over
from atoll.runtime._prints import prints_logged
from atoll.runtime._progress import Progress, in_words
from atoll.runtime._simulate import AUTO, AppRef, Simulation, of_project, processors, simulate
from atoll.runtime._threads import environment, limited
from atoll.runtime._virtual_clock import VirtualClock

__all__ = [
    "AUTO",
    "AppRef",
    "Child",
    "Constant",
    "Exponential",
    "InProcess",
    "LogNormal",
    "Mouth",
    "Pareto",
    "Parts",
    "Printed",
    "Progress",
    "Simulation",
    "Uniform",
    "VirtualClock",
    "attempt",
    "drive",
    "end_line",
    "environment",
    "in_words",
    "limited",
    "machine",
    "of_project",
    "prints_logged",
    "processors",
    "receive",
    "send",
    "simulate",
    "taken_over",
    "versions",
]
