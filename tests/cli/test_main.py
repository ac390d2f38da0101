import pytest

from monai_unet.cli import COMMANDS, build_parser, main
from monai_unet.version import __version__


def test_each_command_has_a_module_and_a_help_page(capsys):
    build_parser()
    for name in COMMANDS:
        with pytest.raises(SystemExit) as stopped:
            main([name, "--help"])
        assert stopped.value.code == 0
        assert "options:" in capsys.readouterr().out


def test_the_version_is_printed(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.strip() == f"monai-unet {__version__}"


def test_bad_input_is_one_line_and_exit_code_1(capsys, tmp_path):
    code = main(["segment", str(tmp_path / "nothing.nii.gz"), "-o", str(tmp_path), "--bundle", "hippocampus_mri"])
    assert code == 1
    printed = capsys.readouterr().err
    assert printed.startswith("monai-unet: ")
    assert "nothing.nii.gz" in printed
    assert "Traceback" not in printed
