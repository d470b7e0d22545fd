"""Prints the README's table, in Markdown: `python -m __package__`."""

from __package__.compare import MODELS, SITES, table

print("| who trains | model |", " | ".join(SITES), "| all | AUC of all |")
print("|---|---|" + "---|" * (len(SITES) + 2))
for model, name in MODELS.items():
    for who, (*rates, area) in table(model).items():
        percent = " | ".join(f"{100 * rate:.1f} %" for rate in rates)
        print(f"| {who} | {name} | {percent} | {area:.3f} |")
