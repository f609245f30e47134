"""Answers to assignment 6 · The clinic, for the patient of every student."""

RIGHT = {
    "a6-q1": [("fault = next(", "fault = np.str_(next(", "in program)", "in program))"), ("ill in program",
        "program.count(ill) == 1")],
    "a6-q2": [("program.replace(ill, well)", "well.join(program.split(ill))"), ("mended = program",
        "mended = (program + '\\n')")],
    "a6-q3": [
        ("return not (", "return np.bool_(not (", "and shown)", "and shown))"),
        "def alarm(ran):\n    return clinic._problem(ran, 0.3) is not None",
    ],
}  # fmt: skip
WRONG = {
    "a6-q1": {
        "another": ("if ill in program", "if ill not in program"),
        "no name of the list": ("fault = next", "fault = 'ill, ' + next"),
        "a number": "fault = 3",
    },
    "a6-q2": {
        "not mended": ("program.replace(ill, well)", "program"),
        "a line changed, but another": ("program.replace(ill, well)",
            "program.replace('order[45_000:]', 'order[45_001:]')"),
        "a line more": ("program.replace(ill, well)", "program.replace(ill, well) + '1'"),
        "another line too": ("program.replace(ill, well)", "program.replace(ill, well).replace('0.8', '0.7')"),
        "empty": ("program.replace(ill, well)", "''"),
    },
    "a6-q3": {
        "always": "alarm = lambda ran: True",
        "never": "alarm = lambda ran: False",
        "at half the accuracy": ("honest > 0.3", "honest > 0.6"),
    },
}  # fmt: skip
SLIPS = {"a6-q1": "another", "a6-q2": "another line too", "a6-q3": "always"}
COPIES = {
    "a6-q1": ["fault = faults[0]"],
    "a6-q2": ["mended = clinic.healthy(1)", "mended = clinic.program(9)"],
    "a6-q3": ["alarm = lambda ran: clinic._problem(ran, 0.33) is not None"],
}
