import pytest

from hyperdnn._replace import replace_file


def test_the_file_is_replaced(tmp_path):
    (tmp_path / "file").write_text("old")
    replace_file(tmp_path / "file", lambda path: path.write_text("new"))
    assert (tmp_path / "file").read_text() == "new"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_failure_leaves_the_file_as_it_was(tmp_path, error):
    def write(path):
        path.write_text("half")
        raise error

    (tmp_path / "file").write_text("old")
    with pytest.raises(error):
        replace_file(tmp_path / "file", write)
    assert (tmp_path / "file").read_text() == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
