"""What a user is shown of an error: their own code."""

import importlib

from atoll.app import users_traceback


def test_a_module_that_can_not_be_imported_shows_its_own_line(tmp_path, monkeypatch):
    (tmp_path / "a_users_module.py").write_text("app = object()\n\n@app.trian\ndef train(): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        importlib.import_module("a_users_module")
    except AttributeError as error:
        told = users_traceback(error)
    assert told.count('  File "') == 2  # here, where the test imports it, and there
    assert f'{tmp_path / "a_users_module.py"}", line 3' in told
    assert told.endswith("AttributeError: 'object' object has no attribute 'trian'\n")
