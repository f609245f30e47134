"""Answers to every graded question of the coursework: right ones that keep their points, wrong ones that lose.

One module an assignment; RIGHT and WRONG map a question to answers. An answer is the code of its cell, or a patch of
the model answer: pieces of text in turn with what stands in their place.
"""
