"""A note in Markdown, and what is left of it as plain text: the page and saved results agree."""

NOTE = """\
---
title: front
---
# A *walk*

I saw **a fox** and [its den](https://example.org/den) <b>there</b>.

- first `step`
* [ ] ~~no~~ __yes__ [link][1] ![a fox](fox.png) \\*as it is\\*
> said _he_

Day | Foxes
--- | ---
one | 2 * 3 * 4

[1]: https://example.org
- <img src=x onerror="document.title='owned'">snake_case_name
"""
PLAIN = "A walk\n\nI saw a fox and its den there.\n\n• first step\n"
PLAIN += "• no yes link a fox *as it is*\nsaid he\n\nDay | Foxes\n\none | 2 * 3 * 4\n\n"
PLAIN += "• snake_case_name"
