/* Included before a program, interrupts it by SIGALRM every 50 µs, without SA_RESTART. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>

static void
note_alarm (int number)
{
  (void) number;
}

static void __attribute__ ((constructor))
begin_storm (void)
{
  struct sigaction action = { .sa_handler = note_alarm };
  struct itimerval often = { { 0, 50 }, { 0, 50 } };

  if (sigaction (SIGALRM, &action, NULL) != 0 || setitimer (ITIMER_REAL, &often, NULL) != 0)
    abort ();
}
