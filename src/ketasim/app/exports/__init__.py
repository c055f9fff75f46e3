"""What can be taken away from the explorer: tables, figures, study files, programs and reports."""
