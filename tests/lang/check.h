/* What the C programs of this folder check with. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include <qio/qio.h>

/* Reports a condition that does not hold, and exits. */
#define check(condition)                                                       \
  do                                                                           \
    {                                                                          \
      if (!(condition))                                                        \
        {                                                                      \
          fprintf (stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);     \
          exit (1);                                                            \
        }                                                                      \
    }                                                                          \
  while (0)

/* As check(), of an error that must not be. */
#define check_ok(error)                                                        \
  do                                                                           \
    {                                                                          \
      if ((error) != NULL)                                                     \
        {                                                                      \
          fprintf (stderr, "%s:%d: %s\n", __FILE__, __LINE__,                  \
                   (error)->message);                                          \
          exit (1);                                                            \
        }                                                                      \
    }                                                                          \
  while (0)

/* As check(), of an error that must be, and is cleared. */
#define check_error(error, domain, code)                                       \
  do                                                                           \
    {                                                                          \
      if (!g_error_matches ((error), (domain), (code)))                        \
        {                                                                      \
          fprintf (stderr, "%s:%d: not " #code ": %s\n", __FILE__, __LINE__,   \
                   (error) ? (error)->message : "no error");                   \
          exit (1);                                                            \
        }                                                                      \
      g_clear_error (&(error));                                                \
    }                                                                          \
  while (0)
