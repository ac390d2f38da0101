import subprocess
import sys

import pytest

from monai_unet.bundle_format import run as bundle_run
from monai_unet.bundle_format.catalogue import built_in_folder

TRAIN = built_in_folder() / "hippocampus_mri" / "configs" / "train.yaml"
INFERENCE = TRAIN.with_name("inference.json")


@pytest.mark.parametrize(
    "words",
    [
        ["--epochs", "3"],
        ["--epochs=3", "--train#optimizer#lr", "0.1"],
        ["--train::optimizer::lr=0.1"],
        ["--preprocessing#transforms#2#pixdim", "[2,2,2]"],
        ["--dataset-dir", "x"],
        ["--meta_file", "m.json", "--logging_file", "l.conf"],
        # arguments that a component takes and the config does not write
        ["--network_def#spacing", "[3,1,1]"],
        ["--train#cached#cache_rate", "0.5"],
        ["--train#loss#ignore_label", "255"],
        ["--learning_rate", "1e-3", "--patch_size", "[16,16,16]", "--amp", "false", "--device", "cpu"],
        ["--epochs", "$2 * 3"],
    ],
)
def test_valid_names_pass(words):
    bundle_run.check_overrides(["--config_file", str(TRAIN), *words])


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--epohcs", "3"], "unknown override --epohcs. Did you mean --epochs?"),
        (["--epohcs=3"], "--epohcs"),
        (["--train#optimizer#learning_rate", "1"], "--train#optimizer#learning_rate"),
        (["--train::optimiser::lr=1"], "--train::optimiser::lr"),
        (["--preprocessing#transforms#99#keys", "x"], "--preprocessing#transforms#99#keys"),
    ],
)
def test_a_mistyped_name_ends_with_the_valid_ones(words, named):
    with pytest.raises(SystemExit) as stopped:
        bundle_run.check_overrides(["--config_file", str(TRAIN), *words])
    assert str(stopped.value).startswith(f"unknown override {named}" if named.startswith("--") else named)
    # a nested name is answered with those beside it
    nested = "--train#optimizer#" in words[0]
    assert ("--train#optimizer#lr" if nested else "batch_size, bundle_root, ckpt") in str(stopped.value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--epochs", "abc"], "--epochs must be a whole number, such as 96; 'abc' is none."),
        (["--epochs", "2.5"], "--epochs must be a whole number"),
        (["--epochs", "0"], "--epochs must be more than 0, got 0."),
        (["--learning_rate=-1"], "--learning_rate must be more than 0, got -1."),
        (["--batch_size", "0"], "--batch_size must be more than 0"),
        (["--patch_size", "32"], '--patch_size must be 3 numbers, such as "[32, 48, 32]"'),
        (["--patch_size", "[32,32]"], "--patch_size must be 3 numbers"),
        (["--overwrite", "perhaps"], "--overwrite must be true or false"),
        (["--device", "gpu"], "--device must be a device such as cpu or cuda:0"),
        (["--device", "cuda:99"], "no such GPU was found"),
    ],
)
def test_a_value_of_another_kind_is_one_sentence(words, said):
    with pytest.raises(SystemExit) as stopped:
        bundle_run.check_overrides(["--config_file", str(TRAIN), *words])
    assert str(stopped.value).startswith(said) or said in str(stopped.value)
    assert "\n" not in str(stopped.value)


def test_names_in_an_arguments_file_are_checked(tmp_path):
    file = tmp_path / "arguments.yaml"
    file.write_text(f"config_file: {TRAIN.as_posix()}\nepohcs: 3\n")
    with pytest.raises(SystemExit, match="unknown override --epohcs"):
        bundle_run.check_overrides(["--args_file", str(file)])


def test_a_name_of_a_merged_config_is_valid():
    files = f"['{TRAIN}','{TRAIN.with_name('evaluate.yaml')}']"
    bundle_run.check_overrides(["--config_file", files, "--key", "test"])
    with pytest.raises(SystemExit):
        bundle_run.check_overrides(["--config_file", str(TRAIN), "--key", "test"])


def test_the_bundle_is_the_one_whose_config_is_run(monkeypatch, tmp_path):
    configs = tmp_path / "copy" / "configs"
    configs.mkdir(parents=True)
    (configs / "metadata.json").write_text("{}")
    main = "/anywhere/monai/bundle/__main__.py"
    monkeypatch.setattr(sys, "argv", [main, "run", "--config_file", str(configs / "train.yaml")])
    assert bundle_run.bundle_root("hippocampus_mri") == str((tmp_path / "copy").resolve())
    monkeypatch.setattr(sys, "argv", ["pytest"])
    assert bundle_run.bundle_root("hippocampus_mri") == str(built_in_folder() / "hippocampus_mri")


@pytest.mark.parametrize("launcher", [["-m"], ["-m", "torch.distributed.run", "--standalone", "-m"]])
def test_a_mistyped_override_ends_the_process_with_the_valid_names(launcher, tmp_path):
    command = [sys.executable, *launcher, "monai.bundle", "run", "--config_file", str(INFERENCE), "--outptu_dir", "x"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode != 0
    assert "unknown override --outptu_dir. Did you mean --output_dir?" in done.stderr
    assert not list(tmp_path.iterdir())


def test_bad_input_ends_the_process_with_one_sentence(tmp_path):
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", str(INFERENCE)]
    done = subprocess.run([*command, "--input", "nowhere"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "monai-unet: nowhere does not exist; check the path."
    assert "Traceback" not in done.stderr
