"""Answers to every graded question of the coursework: right ones that keep their points, wrong ones that lose.

One module an assignment; RIGHT and WRONG map a question to the code of its cell.
"""
