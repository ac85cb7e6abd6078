"""Questions to a language model and its answers: who is asked, at what cost, and what is kept of it.

Nothing here knows of pipelines. A question (``question.py``) is a task, messages and the schema of
the answer; an asker (``question.Asker``) answers it: an endpoint (``endpoint.py``), or a folder that
something else answers (``folder.py``).

``settings.py`` says which model is asked and how, ``forms.py`` how a request is put, ``reply.py`` and
``answers.py`` read what comes back, ``faults.py`` and ``patience.py`` are about what does not;
``accounts.py`` counts, ``cache.py`` and ``log.py`` keep.
"""
