/* What crosses the exec socket of a sandbox: the host (runtime) asks, execd (pid 1 inside) answers.
 *
 * One connection is one command.  The client sends a request, its body, and with the request's first
 * byte the guest's ends of pipes that it has made itself (SCM_RIGHTS): stdin, stdout, stderr; with a
 * terminal only the first two.  While the command runs it may send messages.  When the command has
 * ended, execd sends exactly one message and closes.  Closing the connection earlier kills the
 * command.  Both ends are built from one tree, so there is one version; numbers are in host order.
 *
 * execd is reachable by what it runs and so hostile to the host: the client reads one message of
 * fixed size, never a descriptor. */
#pragma once

#include <stdint.h>

enum {
  AGB_EXECD_MAGIC = 0x31424741,
  AGB_EXECD_LISTEN_FD = 3,
  AGB_EXECD_BODY_MAX = 8 * 1024 * 1024,
};

typedef enum {
  AGB_EXECD_RUN = 1,
  AGB_EXECD_SHUT_DOWN, /* TERM to all, then the end after `grace_ms` */
} AgbExecdRequestKind;

enum { AGB_EXECD_TTY = 1 };

typedef struct {
  uint32_t magic;
  uint32_t kind;
  uint32_t flags;
  uint32_t rows, columns;
  uint32_t grace_ms;
  uint32_t argc, envc;
  uint32_t body_length; /* working folder, arguments, environment; each ends with NUL */
} AgbExecdRequest;

typedef enum {
  /* client to execd */
  AGB_EXECD_SIGNAL = 1, /* value: the number */
  AGB_EXECD_RESIZE,     /* value: rows << 16 | columns */
  /* execd to client */
  AGB_EXECD_EXITED,    /* value: exit code */
  AGB_EXECD_KILLED,    /* value: the signal */
  AGB_EXECD_NO_FOLDER, /* value: errno of chdir */
  AGB_EXECD_NO_START,  /* value: errno of what could not be made */
} AgbExecdMessageKind;

typedef struct {
  uint32_t kind;
  int32_t value;
} AgbExecdMessage;
