"""nbgrader's settings for this course, read when nbgrader is started in this folder and by this project's targets.

What is not set here is as nbgrader has it, and yours to set: due dates, a penalty for lateness, the exchange.
"""

from pathlib import Path

from coursework.grading.discover import ZIP_COLLECT

c = get_config()  # noqa: F821
c.CourseDirectory.root = str(Path(__file__).resolve().parent)
c.CourseDirectory.course_id = "ten-templates"
c.FileNameCollectorPlugin.named_regexp = ZIP_COLLECT  # downloads of Canvas and Moodle, for nbgrader zip_collect

# nbgrader's own autograder would run submissions with all that you may do. Its command, and the button in its form,
# judge them locked in instead, as make grade does.
c.Autograde.sanitize_preprocessors = []
c.Autograde.autograde_preprocessors = [
    "coursework.grading.grade.LockedIn",
    "nbgrader.preprocessors.AssignLatePenalties",
]
