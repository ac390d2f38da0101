/* For LD_PRELOAD: programs and compiled libraries that call the system by themselves have no network but loopback.
   What they try is added to the file that $MONAI_UNET_TESTS_NETWORK_LOG names. Linux. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void record(const char *what, const char *whom)
{
    const char *log = getenv("MONAI_UNET_TESTS_NETWORK_LOG");
    char line[512];
    int file = log ? open(log, O_WRONLY | O_APPEND | O_CREAT, 0600) : -1;
    if (file < 0)
        return;
    int length = snprintf(line, sizeof line, "%s %s by process %d\n", what, whom, (int)getpid());
    if (write(file, line, length < (int)sizeof line ? length : (int)sizeof line - 1) < 0)
        errno = 0;
    close(file);
}

static int refused(const char *what, const struct sockaddr *address)
{
    char whom[INET6_ADDRSTRLEN] = "?";
    if (!address)
        return 0;
    if (address->sa_family == AF_INET) {
        const struct in_addr *four = &((const struct sockaddr_in *)address)->sin_addr;
        if (ntohl(four->s_addr) >> 24 == 127)
            return 0;
        inet_ntop(AF_INET, four, whom, sizeof whom);
    } else if (address->sa_family == AF_INET6) {
        const struct in6_addr *six = &((const struct sockaddr_in6 *)address)->sin6_addr;
        if (IN6_IS_ADDR_LOOPBACK(six) || (IN6_IS_ADDR_V4MAPPED(six) && six->s6_addr[12] == 127))
            return 0;
        inet_ntop(AF_INET6, six, whom, sizeof whom);
    } else {
        return 0;
    }
    record(what, whom);
    errno = ENETUNREACH;
    return 1;
}

int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
    return refused("connect", address) ? -1 : real(fd, address, length);
}

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *address, socklen_t length)
{
    ssize_t (*real)(int, const void *, size_t, int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "sendto");
    return refused("sendto", address) ? -1 : real(fd, data, size, flags, address, length);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    ssize_t (*real)(int, const struct msghdr *, int) = dlsym(RTLD_NEXT, "sendmsg");
    return refused("sendmsg", message->msg_name) ? -1 : real(fd, message, flags);
}

/* the resolver asks a name server from inside the C library, where no other symbol is in between */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        dlsym(RTLD_NEXT, "getaddrinfo");
    unsigned char address[16];
    int plain = !node || !strcmp(node, "localhost") || inet_pton(AF_INET, node, address) == 1 ||
                inet_pton(AF_INET6, node, address) == 1;
    if (plain)
        return real(node, service, hints, found);
    record("getaddrinfo", node);
    return EAI_AGAIN;
}

struct hostent *gethostbyname(const char *name)
{
    struct hostent *(*real)(const char *) = dlsym(RTLD_NEXT, "gethostbyname");
    if (!strcmp(name, "localhost"))
        return real(name);
    record("gethostbyname", name);
    h_errno = TRY_AGAIN;
    return NULL;
}
