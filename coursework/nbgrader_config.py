"""nbgrader's settings for this course, read when nbgrader is started in this folder and by this project's targets.

What is not set here is as nbgrader has it, and yours to set: due dates, a penalty for lateness, the exchange.
"""

from pathlib import Path

from nbgrader.exchange.default import ExchangeCollect

from coursework.grading.discover import ZIP_COLLECT


class Collect(ExchangeCollect):
    """nbgrader's, but no link leads it to the solutions or to others' work, and one hand-in's trouble is no other's."""

    def do_copy(self, src, dest, log=None):
        try:
            if any(path.is_symlink() for path in (Path(src), *Path(src).rglob("*"))):
                raise OSError("it has a link in it")
            super().do_copy(src, dest, log)
        except (OSError, RuntimeError) as trouble:
            self.log.error(f"{src} is not collected: {trouble}")


c = get_config()  # noqa: F821
c.CourseDirectory.root = str(Path(__file__).resolve().parent)
c.CourseDirectory.course_id = "ten-templates"
c.FileNameCollectorPlugin.named_regexp = ZIP_COLLECT  # downloads of Canvas and Moodle, for nbgrader zip_collect
c.ExchangeFactory.collect = Collect
# nbgrader's own autograder would run submissions with all that you may do. Its command, and the button in its form,
# judge them locked in instead, as make grade does.
c.Autograde.sanitize_preprocessors = []
c.Autograde.autograde_preprocessors = [
    "coursework.grading.grade.LockedIn",
    "nbgrader.preprocessors.AssignLatePenalties",
]
