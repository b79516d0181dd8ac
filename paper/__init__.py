"""The paper in one command: its data, bases, trainings, tables and claims, beside our figures.

settings.json -> jobs, each an `e5v` command -> runner, resumable -> findings -> tables, claims
              -> results.json, report.md, report.html
"""
