"""A disk that fails while the model is saved: one line with the folder and a fix that works, and nothing left over."""

import shutil
from errno import ENOSPC

import pytest
from preftemplates_train.errors import TrainingError
from preftemplates_train.heads import feature_cache
from preftemplates_train.settings.config import RewardConfig
from preftemplates_train.training import outputs
from preftemplates_train.training.write_errors import explain_write_errors
from safetensors import SafetensorError
from trainer_support import train_by

from preftemplates.errors import FileError

FULL = "No space left on device"
save_model = outputs.save_model
QUICK = ["--max_steps", "1", "--eval_strategy", "no", "--per_device_train_batch_size", "4", "--baselines", "none"]


def file_error():
    error = FileError(f"out/.saving-model/metrics.json cannot be written: {FULL}")
    error.__cause__ = OSError(ENOSPC, FULL)
    return error


@pytest.mark.parametrize("error", [OSError(ENOSPC, FULL), SafetensorError(FULL), Exception(FULL), file_error()])
def test_every_library_s_error_of_the_disk_names_the_folder(tmp_path, error):
    config = RewardConfig(output_dir=str(tmp_path))
    with pytest.raises(TrainingError) as caught, explain_write_errors(tmp_path, config):
        raise error
    assert str(caught.value) == f"{tmp_path} cannot be written: {FULL}; free some space, then run the command again"


@pytest.mark.parametrize("error", [ValueError("x"), TrainingError("x"), RuntimeError("x"), FileError("x")])
def test_other_errors_stay_as_they_are(tmp_path, error):
    with pytest.raises(type(error), match=r"^x$"), explain_write_errors(tmp_path, RewardConfig()):
        raise error
    if type(error) is RuntimeError:
        with (
            pytest.raises(TrainingError, match="cannot be written: x"),
            explain_write_errors(tmp_path, RewardConfig(), RuntimeError),
        ):
            raise error


@pytest.fixture
def failing(monkeypatch):
    """Lets the saving of the model fail after its weights are written."""

    def fail_with(error):
        def save(*arguments):
            save_model(*arguments)
            raise error

        monkeypatch.setattr(outputs, "save_model", save)

    return fail_with


@pytest.mark.usefixtures("small_set")
@pytest.mark.parametrize("error", [Exception(FULL), OSError(ENOSPC, FULL), ValueError("other"), KeyboardInterrupt()])
def test_nothing_of_a_model_that_is_not_saved_is_left(tmp_path, failing, error):
    failing(error)
    with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else TrainingError) as caught:
        train_by(*QUICK, "--output_dir", str(tmp_path / "out"), "--save_strategy", "no")
    assert not (tmp_path / "out" / outputs.STAGING).exists()
    if FULL in str(error):
        assert str(caught.value) == (
            f"{tmp_path / 'out'} cannot be written: {FULL}; free some space, then run the command again"
        )


@pytest.mark.usefixtures("small_set")
def test_a_run_with_a_checkpoint_is_continued_from_it(tmp_path, failing):
    failing(Exception(FULL))
    with pytest.raises(TrainingError, match="free some space, then add --resume_from_checkpoint last to continue"):
        train_by(*QUICK, "--output_dir", str(tmp_path / "out"))


@pytest.mark.usefixtures("small_set")
def test_a_head_is_fitted_again_from_its_features(tmp_path, failing, base_model):
    words = ["--train", "head", "--style", "chatml", "--head_layers", "1", "--baselines", "none"]
    words += ["--model_name_or_path", str(base_model("decoder with BOS")), "--output_dir", str(tmp_path / "out")]
    failing(Exception(FULL))
    with pytest.raises(TrainingError, match=r"then run the command again; it reuses the features that are computed$"):
        train_by(*words)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outputs, "save_model", save_model)
        assert train_by(*words)[0].metrics["head"]["groups_computed"] == 0


@pytest.mark.usefixtures("small_set")
def test_a_cache_that_cannot_be_written_names_its_folder_and_skips_only_the_baseline(
    tmp_path, monkeypatch, base_model
):
    def save_file(_tensors, path, **_):
        shutil.rmtree(path.parent)
        path.parent.write_text("a file")  # so that even removing the partial file fails
        raise OSError(ENOSPC, FULL)

    monkeypatch.setattr(feature_cache, "save_file", save_file)
    model = ["--model_name_or_path", str(base_model("decoder with BOS")), "--style", "chatml"]
    cache = tmp_path / "cache"
    message = f"{cache} cannot be written: {FULL}; free some space, or name another --feature_cache, then run the"
    head = ["--train", "head", "--baselines", "none", "--head_layers", "1"]
    with pytest.raises(TrainingError, match=message):
        train_by(*head, *model, "--feature_cache", str(cache), "--output_dir", str(tmp_path / "head"))
    cache.unlink()
    words = [*QUICK[:-2], *model, "--feature_cache", str(cache), "--output_dir", str(tmp_path / "full")]
    result, said = train_by(*words)
    assert message in result.metrics["baselines"]["head"]["skipped"]
    assert f"head skipped: {cache} cannot be written" in said
