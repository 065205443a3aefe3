"""How each kind of question is answered: cells of code, and the answer made from their outputs."""
