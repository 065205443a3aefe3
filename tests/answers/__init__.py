"""Answers that a model gives, right ones and wrong ones, and what the product says of each.

Each case is a few lines of TOML in ``cases/``: tables, a question, what the model sends, and what is
expected. It is played with the real SDK over real HTTP, in a real kernel. To add a case, copy one.

.. code-block:: toml

    [[case]]
    name = "a join that multiplies rows"      # unique in its file
    kind = "mistake"                          # or "right", or "reasoned"
    question = "What did customers in each region spend?"
    tables = ["orders.csv"]                   # of tests/answers/tables, and, written here:
    csv.customers = '''
    customer,region
    1,North
    1,North
    '''
    turns = [
      { python = "orders.merge(customers, on='customer').groupby('region').amount.sum()" },
      { finish = "North spent 1,240.", caveats = ["..."] },
    ]
    hint = ["multipl|repeat", "customers"]    # each is found (as a regular expression, without
                                              # regard to case) in one and the same text to the model

Turns are ``python``, ``sql`` (with ``name``), ``finish`` and ``say`` (a text that ends the turn), or
any other tool by ``call`` with its ``input``; further keys go to the tool. A turn with ``also`` sends
a second call together with the first.

What is expected of each kind:

``mistake``
    After one of the turns a text to the model (a result or a request to correct, never what the model
    said itself) matches every ``hint``. The model, which is stubborn, then sends its last turn again
    until it is taken; ``status`` is what the run ends as, where it matters.
``right``
    Every turn is asked for once and none after it: there was no needless round. The answer is taken as
    ``answered`` and stands in the result and in the notebook character for character, without a
    mark; ``quiet`` lists what no text to the model may match.
``reasoned``
    As ``mistake``, and the turns of ``then`` follow it; the run ends as ``answered``, and each of
    ``under`` is found among the answer's caveats and assumptions.
"""
